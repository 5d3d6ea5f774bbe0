package source

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/compiler/source/object"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Options are the settings of Load. The zero value is usable.
type Options struct {
	Stdin       io.Reader // what the path "-" reads; nil when there is none
	MaxFileSize int64     // bytes; 0 means 256 MiB
	Workers     int       // documents parsed at a time; 0 means one for each CPU
	// Text, if set, is called with the path and content of each file, in the
	// order of their paths, so that others can look for what is not read here.
	Text func(path string, src []byte)
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
	chunks []document.Chunk
	out    *object.Batch
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
			cache := object.NewCache()
			for j := range jobs {
				j.parse(cache)
			}
		})
	}
	files, err := f.finish()
	for i := 0; i < len(files) && err == nil; i++ {
		err = enqueue(jobs, files[i], f.limit, o.Text)
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
func enqueue(jobs chan<- job, f *file, limit int64, text func(string, []byte)) error {
	const run = 128 << 10
	src, err := f.read(limit)
	if err != nil {
		return err
	}
	if src == nil {
		f.batches = []*object.Batch{{Diags: diag.List{{
			Code: object.CodeSyntax, Severity: diag.Error, Pos: diag.Pos{File: f.Path},
			Message: "the file is larger than " + byteSize(limit),
			Hint:    "split it, or leave it out",
		}}}}
		return nil
	}
	f.Digest = sha256.Sum256(src)
	if text != nil {
		text(f.Path, src)
	}
	chunks := document.Split(src, object.IsList, document.Interner{})
	for len(chunks) > 0 {
		n, size := 0, 0
		for n < len(chunks) && (n == 0 || size+len(chunks[n].Text) <= run) {
			size += len(chunks[n].Text)
			n++
		}
		b := &object.Batch{}
		f.batches = append(f.batches, b)
		jobs <- job{f, chunks[:n:n], b}
		chunks = chunks[n:]
	}
	return nil
}

func (j *job) parse(cache *object.Cache) {
	r := &object.Reader{Cache: cache, Path: j.file.Path, Explicit: j.file.explicit, Out: j.out}
	for _, c := range j.chunks {
		r.Read(c)
	}
}
