package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/compiler/source/object"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// file is one input with what its documents gave.
type file struct {
	model.Input
	explicit bool // named by the user, or standard input
	open     func() (io.ReadCloser, error)
	batches  []*object.Batch // in the order of the text
}

// contributed reports whether the snapshot has anything from the file.
func (f *file) contributed() bool {
	return slices.ContainsFunc(f.batches, func(b *object.Batch) bool { return b.Documents > 0 })
}

// manifests returns the number of Kubernetes objects of any kind in the file.
func (f *file) manifests() int {
	n := 0
	for _, b := range f.batches {
		n += b.Manifests
	}
	return n
}

// read returns the content, or nil when it is larger than limit.
func (f *file) read(limit int64) ([]byte, error) {
	r, err := f.open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Path, err)
	}
	defer r.Close() //nolint:errcheck // only read from
	src, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	}
	if int64(len(src)) > limit {
		return nil, nil
	}
	if src == nil {
		src = []byte{}
	}
	return src, nil
}

// finder collects the files to read.
type finder struct {
	stdin io.Reader
	limit int64
	files map[string]*file // by real path, so that each is read once
	dirs  map[string]bool  // walked for this argument, by real path
	diags diag.List
	errs  []error
}

func newFinder(o Options) *finder {
	f := &finder{stdin: o.Stdin, limit: o.MaxFileSize, files: map[string]*file{}, dirs: map[string]bool{}}
	if f.limit <= 0 {
		f.limit = defaultMaxFileSize
	}
	return f
}

// stdinName is both path and name of standard input.
const stdinName = "stdin"

// argument adds what one path argument stands for.
func (f *finder) argument(arg string) {
	if arg == "-" {
		if f.stdin == nil {
			f.errs = append(f.errs, errors.New("read -: there is no standard input"))
			return
		}
		f.add("-", &file{
			Input: model.Input{Path: stdinName, Name: stdinName}, explicit: true,
			open: func() (io.ReadCloser, error) { return io.NopCloser(f.stdin), nil },
		})
		return
	}
	info, err := os.Stat(arg)
	switch {
	case err != nil:
		f.errs = append(f.errs, err)
	case info.IsDir():
		before := len(f.files)
		clear(f.dirs)
		f.directory(arg, "")
		if len(f.files) == before && !f.hasBelow(arg) {
			f.nothingIn(arg)
		}
	default:
		f.file(arg, filepath.Base(arg), true)
	}
}

// hasBelow reports whether a file under dir has been found before.
func (f *finder) hasBelow(dir string) bool {
	abs, err := realPath(dir)
	if err != nil {
		return false
	}
	for p := range f.files {
		if strings.HasPrefix(p, abs+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

func (f *finder) nothingIn(dir string) {
	f.diags.Add(diag.Diagnostic{
		Code: object.CodeNoManifest, Severity: diag.Warning, Pos: diag.Pos{File: dir},
		Message: "the directory has no *.yaml, *.yml or *.json files",
		Hint:    "check the path",
	})
}

func realPath(p string) (string, error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// directory adds the manifests below dir. Symbolic links are followed, and
// each directory is walked once for an argument, so that links cannot loop.
func (f *finder) directory(dir, name string) {
	key, err := realPath(dir)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	if f.dirs[key] {
		return
	}
	f.dirs[key] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	for _, e := range entries {
		p, n := filepath.Join(dir, e.Name()), path.Join(name, e.Name())
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(p)
			if err != nil {
				if manifestName(e.Name()) {
					f.errs = append(f.errs, err)
				}
				continue
			}
			isDir = info.IsDir()
		}
		switch {
		case isDir && strings.HasPrefix(e.Name(), "."):
			// .git and the like; also what the kubelet keeps behind mounted ConfigMaps.
		case isDir:
			f.directory(p, n)
		case manifestName(e.Name()):
			f.file(p, n, false)
		}
	}
}

func manifestName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	default:
		return false
	}
}

func (f *finder) file(p, name string, explicit bool) {
	if !explicit {
		// A FIFO or a device in a directory would block or never end.
		if info, err := os.Stat(p); err == nil && !info.Mode().IsRegular() {
			return
		}
	}
	key, err := realPath(p)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	f.add(key, &file{
		Input: model.Input{Path: p, Name: name}, explicit: explicit,
		open: func() (io.ReadCloser, error) { return os.Open(p) },
	})
}

// add keeps one of several ways to the same file, whichever order they came
// in: the one with the most telling name.
func (f *finder) add(key string, n *file) {
	old := f.files[key]
	if old == nil {
		f.files[key] = n
		return
	}
	explicit := old.explicit || n.explicit
	if slices.Compare(rank(n), rank(old)) < 0 {
		f.files[key] = n
	}
	f.files[key].explicit = explicit
}

// rank orders the ways to one file.
func rank(f *file) []string {
	return []string{fmt.Sprintf("%08d", 1<<24-len(f.Name)), f.Name, f.Path}
}

// fs adds the manifests of a file system.
func (f *finder) fs(fsys fs.FS) {
	err := fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && p != "." && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case e.IsDir() || !manifestName(e.Name()):
			return nil
		}
		f.add(p, &file{
			Input: model.Input{Path: p, Name: p},
			open:  func() (io.ReadCloser, error) { return fsys.Open(p) },
		})
		return nil
	})
	if err != nil {
		f.errs = append(f.errs, err)
	}
	if len(f.files) == 0 {
		f.nothingIn(".")
	}
}

// finish returns the files in the order of their paths.
func (f *finder) finish() ([]*file, error) {
	files := make([]*file, 0, len(f.files))
	for _, n := range f.files {
		files = append(files, n)
	}
	slices.SortFunc(files, func(a, b *file) int { return strings.Compare(a.Path, b.Path) })
	return files, errors.Join(f.errs...)
}

// byteSize renders a limit.
func byteSize(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
