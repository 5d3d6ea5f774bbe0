package source

import (
	"bytes"
	"crypto/sha256"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"unicode/utf8"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Options are the settings of Load. The zero value is usable.
type Options struct {
	Stdin       io.Reader // what the path "-" reads; nil when there is none
	MaxFileSize int64     // bytes; 0 means 256 MiB
	Workers     int       // documents parsed at a time; 0 means one for each CPU
}

const defaultMaxFileSize = 256 << 20

// Load reads manifests from files, directories and standard input ("-").
//
// Everything that is wrong with a document is in the list, ordered by
// position; such a document is not in the snapshot. The error is for what
// could not be read at all, and nothing is loaded then.
func Load(paths []string, o Options) (*model.Snapshot, diag.List, error) {
	f := newFinder(o)
	for _, p := range paths {
		f.argument(p)
	}
	return load(f, o)
}

// LoadFS reads every manifest in fsys, as Load does for a directory.
func LoadFS(fsys fs.FS, o Options) (*model.Snapshot, diag.List, error) {
	f := newFinder(o)
	f.fs(fsys)
	return load(f, o)
}

// job is a run of chunks of one file that a worker parses together.
type job struct {
	file   *file
	chunks []chunk
	out    *batch
}

func load(f *finder, o Options) (*model.Snapshot, diag.List, error) {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	jobs := make(chan job, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			cache := newCache()
			for j := range jobs {
				j.parse(cache)
			}
		})
	}
	files, err := f.finish()
	for i := 0; i < len(files) && err == nil; i++ {
		err = enqueue(jobs, files[i], f.limit)
	}
	close(jobs)
	wg.Wait()
	if err != nil {
		return nil, nil, err
	}
	s, diags := assemble(files)
	diags = append(diags, f.diags...)
	diags.Sort()
	return s, diags, nil
}

// enqueue reads a file and hands its chunks to the workers in runs that are
// large enough to be worth it.
func enqueue(jobs chan<- job, f *file, limit int64) error {
	const run = 128 << 10
	src, err := f.read(limit)
	if err != nil {
		return err
	}
	if src == nil {
		f.batches = []*batch{{diags: diag.List{{
			Code: codeSyntax, Severity: diag.Error, Pos: diag.Pos{File: f.Path},
			Message: "the file is larger than " + byteSize(limit),
			Hint:    "split it, or leave it out",
		}}}}
		return nil
	}
	f.Digest = sha256.Sum256(src)
	chunks := splitFile(src, interner{})
	for len(chunks) > 0 {
		n, size := 0, 0
		for n < len(chunks) && (n == 0 || size+len(chunks[n].text) <= run) {
			size += len(chunks[n].text)
			n++
		}
		b := &batch{}
		f.batches = append(f.batches, b)
		jobs <- job{f, chunks[:n:n], b}
		chunks = chunks[n:]
	}
	return nil
}

func (j *job) parse(cache *cache) {
	r := &reader{cache: cache, file: j.file, out: j.out}
	for _, c := range j.chunks {
		if failure := r.chunk(c); failure != nil {
			r.syntax(c, failure)
		}
	}
}

func (r *reader) syntax(c chunk, e *syntaxError) {
	d := &decoder{cache: r.cache, file: r.file.Path, offset: c.at}
	if e.size && !r.file.explicit && !bytes.Contains(c.text, []byte("apiVersion")) {
		// Lock files and the like; they are nobody's mistake.
		d.report(diag.Note, codeNoManifest, e.at, "", "not a Kubernetes manifest: apiVersion is missing, and %s", e.msg)
		r.out.diags = append(r.out.diags, d.diags...)
		return
	}
	if bytes.Contains(c.text, []byte("{{")) && !e.limit && e.hint == "" {
		e.hint = "for a template, give what helm template prints"
	}
	d.errorf(codeSyntax, e.at, e.hint, "%s", e.msg)
	r.out.diags = append(r.out.diags, d.diags...)
}

// chunk parses one chunk and reads its documents.
func (r *reader) chunk(c chunk) *syntaxError {
	if failure := r.checkText(c); failure != nil {
		return failure
	}
	trees, failure := parse(c, r.cache.names)
	def := typeMeta{}
	if c.item != nil {
		def = c.item.def
		if c.item.yaml {
			if failure == nil && (len(trees) != 1 || trees[0].root.kind != list || len(trees[0].root.children) != 1) {
				failure = &syntaxError{at: place{1, 1}, msg: "invalid YAML: the list is not laid out as it seems"}
			}
			if failure != nil {
				return failure
			}
			trees[0].root = trees[0].root.children[0].value
		}
	}
	for _, t := range trees {
		if t.root.kind == list && c.item == nil {
			for i := range t.root.children {
				r.document(&t.root.children[i].value, t.duplicates, c.at, def)
			}
			continue
		}
		r.document(&t.root, t.duplicates, c.at, def)
	}
	return failure
}

// parse parses a chunk as JSON if it looks like it, else as YAML.
func parse(c chunk, names interner) ([]*tree, *syntaxError) {
	text := bytes.TrimLeft(c.text, " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		if t, ok := parseBlock(c.text, names); ok {
			return []*tree{t}, nil
		}
		return parseYAML(c.text, names)
	}
	t, failure := parseJSON(c.text, names)
	if failure == nil {
		return []*tree{t}, nil
	}
	if failure.limit {
		return nil, failure
	}
	trees, yamlFailure := parseYAML(c.text, names)
	if yamlFailure != nil && jsonish(text) {
		return trees, failure
	}
	return trees, yamlFailure
}

// checkText refuses what no parser should be given.
func (r *reader) checkText(c chunk) *syntaxError {
	if len(c.text) > maxDocumentSize {
		return &syntaxError{
			at: place{1, 1}, limit: true, size: true,
			msg:  "the document is larger than " + byteSize(maxDocumentSize),
			hint: "the API server takes no object this large; write a long list in block style, one item under the other",
		}
	}
	if i := bytes.IndexByte(c.text, 0); i >= 0 {
		return &syntaxError{
			at: placeOf(c.text, i), limit: true,
			msg:  "the document contains a NUL byte",
			hint: "save it as UTF-8 text",
		}
	}
	if !utf8.Valid(c.text) {
		i := 0
		for i < len(c.text) {
			r, n := utf8.DecodeRune(c.text[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		return &syntaxError{
			at: placeOf(c.text, i), limit: true,
			msg:  "the document is not valid UTF-8",
			hint: "save it as UTF-8 text",
		}
	}
	return nil
}

// placeOf returns the place of a byte offset.
func placeOf(src []byte, off int) place {
	before := src[:off]
	return place{
		int32(bytes.Count(before, []byte("\n")) + 1),
		int32(off - bytes.LastIndexByte(before, '\n')),
	}
}
