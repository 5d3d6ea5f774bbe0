package object

import (
	"bytes"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Batch is what the documents of one or more chunks gave.
type Batch struct {
	Policies   []model.Policy
	Namespaces []model.Namespace
	Nodes      []model.Node
	Services   []model.Service
	Pods       []Pod
	Workloads  []Workload
	Diags      diag.List
	Documents  int // that gave one of the above
	Manifests  int // that are Kubernetes objects of any kind
}

// Reader reads documents of one file into Out. It is not safe for concurrent
// use, nor is its Cache.
type Reader struct {
	Cache    *Cache
	Path     string // of the file
	Explicit bool   // the user named the file
	Out      *Batch
}

// Read adds to Out what the documents of a chunk give, and everything that is
// wrong with them. A document with an error gives nothing else.
func (r *Reader) Read(c document.Chunk) {
	if failure := r.parse(c); failure != nil {
		r.syntax(c, failure)
	}
}

// IsList reports whether a document is a list of objects.
func IsList(n *document.Node) bool { return typeMetaOf(n).isList() }

func (r *Reader) syntax(c document.Chunk, e *document.Error) {
	d := &decoder{cache: r.Cache, file: r.Path, offset: c.At}
	if e.Size && !r.Explicit && !bytes.Contains(c.Text, []byte("apiVersion")) {
		// Lock files and the like; they are nobody's mistake.
		d.report(diag.Note, CodeNoManifest, e.At, "", "not a Kubernetes manifest: apiVersion is missing, and %s", e.Msg)
		r.Out.Diags = append(r.Out.Diags, d.diags...)
		return
	}
	if bytes.Contains(c.Text, []byte("{{")) && !e.Limit && e.Hint == "" {
		e.Hint = "for a template, give what helm template prints"
	}
	if bytes.Contains(c.Text, []byte("kind: PolicyTest")) && bytes.Contains(c.Text, []byte("table: |")) && e.Hint == "" {
		e.Hint = `begin the first line of a table with from\to: YAML takes its indentation for that of all lines`
	}
	d.errorf(CodeSyntax, e.At, e.Hint, "%s", e.Msg)
	r.Out.Diags = append(r.Out.Diags, d.diags...)
}

// parse reads the chunk's documents up to where it does not parse.
func (r *Reader) parse(c document.Chunk) *document.Error {
	trees, failure := c.Parse(r.Cache.names)
	def := typeMeta{}
	if c.List != nil {
		def = typeMetaOf(c.List).item()
	}
	for _, t := range trees {
		if t.Root.Kind == document.List && c.List == nil {
			for i := range t.Root.Children {
				r.document(&t.Root.Children[i].Value, t.Duplicates, c.At, def)
			}
			continue
		}
		r.document(&t.Root, t.Duplicates, c.At, def)
	}
	return failure
}
