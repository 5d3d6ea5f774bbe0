package rego

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Limits on what is read. They bound memory; real policies are far below.
const (
	maxFile    = 16 << 20 // bytes of one file
	maxArchive = 64 << 20 // bytes of what an archive unpacks to
	maxFiles   = 10_000   // files of one archive
)

// file is one module or data file.
type file struct {
	model.Input
	dir []string // folders below the argument: where its data goes
	src []byte
}

// finder collects files.
type finder struct {
	files []file
	seen  map[string]bool // real paths
	found int             // files that arguments stood for, also if read before
	diags diag.List
	errs  []error
}

// argument adds what a path of the command line stands for.
func (f *finder) argument(arg string) {
	info, err := os.Stat(arg)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	if !info.IsDir() {
		switch {
		case isArchive(arg):
			f.archive(arg)
		case isModule(arg) || isData(arg):
			f.read(arg, filepath.Base(arg), nil)
		default:
			f.errs = append(f.errs, fmt.Errorf("%s: not a .rego, .json, .yaml, .yml, .tar.gz or .tgz file", arg))
		}
		return
	}
	before := f.found
	_, err = os.Stat(filepath.Join(arg, ".manifest"))
	f.directory(arg, nil, err == nil)
	if f.found == before {
		f.diags.Add(diag.Diagnostic{
			Code: codeNothing, Severity: diag.Warning, Pos: diag.Pos{File: arg},
			Message: "the directory has no *.rego, *.json, *.yaml or *.yml files",
			Hint:    "check the path",
		})
	}
}

func isModule(name string) bool { return strings.HasSuffix(name, ".rego") }

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

func isData(name string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, strings.ToLower(path.Ext(name)))
}

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// isBundleData reports whether the file has data in a bundle: other names are
// somebody else's there.
func isBundleData(name string) bool {
	return slices.Contains([]string{"data.json", "data.yaml", "data.yml"}, path.Base(name))
}

// directory adds the files below dir. Links to directories are not followed,
// so that nothing loops; links to files are, as mounted ConfigMaps need.
func (f *finder) directory(dir string, below []string, bundle bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		wanted := isModule(e.Name()) || isData(e.Name()) && (!bundle || isBundleData(e.Name()))
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			f.directory(p, append(slices.Clone(below), e.Name()), bundle)
		case wanted:
			info, err := os.Stat(p)
			if err != nil {
				f.errs = append(f.errs, err)
			} else if info.Mode().IsRegular() {
				f.read(p, path.Join(append(slices.Clone(below), e.Name())...), below)
			}
		}
	}
}

func (f *finder) read(p, name string, below []string) {
	f.found++
	if f.again(p) {
		return
	}
	r, err := os.Open(p)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	defer r.Close() //nolint:errcheck // only read
	src, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		f.errs = append(f.errs, fmt.Errorf("read %s: %w", p, err))
		return
	}
	f.add(p, name, below, src)
}

// again reports whether the file was read before, under whatever name.
func (f *finder) again(p string) bool {
	key, err := filepath.Abs(p)
	if err == nil {
		if real, err := filepath.EvalSymlinks(key); err == nil {
			key = real
		}
	}
	if f.seen[key] {
		return true
	}
	f.seen[key] = true
	return false
}

func (f *finder) add(p, name string, below []string, src []byte) {
	if len(src) > maxFile {
		f.diags.Add(diag.Diagnostic{
			Code: codeLimit, Severity: diag.Error, Pos: diag.Pos{File: p},
			Message: fmt.Sprintf("the file is larger than %d MiB", maxFile>>20),
			Hint:    "split it",
		})
		return
	}
	f.files = append(f.files, file{
		Input: model.Input{Path: p, Name: name, Digest: sha256.Sum256(src)},
		dir:   below, src: src,
	})
}

// archive adds the files of an OPA bundle: a compressed tar.
func (f *finder) archive(p string) {
	if f.again(p) {
		return
	}
	r, err := os.Open(p)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	defer r.Close() //nolint:errcheck // only read
	if err := f.untar(r, p); err != nil {
		f.diags.Add(diag.Diagnostic{
			Code: codeSyntax, Severity: diag.Error, Pos: diag.Pos{File: p},
			Message: fmt.Sprintf("not a readable bundle: %v", err),
			Hint:    "build it with opa build",
		})
	}
}

func (f *finder) untar(r io.Reader, p string) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	t := tar.NewReader(io.LimitReader(z, maxArchive+1))
	total, base := 0, filepath.Base(p)
	seen := map[string]bool{}
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		switch {
		case err != nil:
			return err
		case n >= maxFiles:
			return fmt.Errorf("more than %d files", maxFiles)
		case h.Typeflag != tar.TypeReg:
			continue
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if !isModule(name) && !isBundleData(name) {
			continue
		}
		if seen[name] {
			return fmt.Errorf("two files named %s", name)
		}
		seen[name] = true
		var b bytes.Buffer
		if _, err := io.Copy(&b, io.LimitReader(t, maxFile+1)); err != nil {
			return err
		}
		if total += b.Len(); total > maxArchive {
			return fmt.Errorf("it unpacks to more than %d MiB", maxArchive>>20)
		}
		var below []string
		if d := path.Dir(name); d != "." {
			below = strings.Split(d, "/")
		}
		f.add(p+":"+name, base+":"+name, below, b.Bytes())
	}
}
