package enforcer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/enforcer"
	"github.com/sluice-net/sluice/internal/artifact"
)

// filter is a target in memory.
type filter struct {
	mu     sync.Mutex
	loaded artifact.Digest
	fail   error // what Sync returns
	refuse uint64
}

func (f *filter) Sync(_ context.Context, want *artifact.Ruleset) (enforcer.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return enforcer.Report{}, f.fail
	}
	if want.Header.Generation == f.refuse && f.refuse != 0 {
		return enforcer.Report{}, fmt.Errorf("%w: not for this node", enforcer.ErrRefused)
	}
	if f.loaded == want.Digest {
		return enforcer.Report{Transaction: "unchanged"}, nil
	}
	f.loaded = want.Digest
	return enforcer.Report{Transaction: "changed", Elements: 1}, nil
}

func (f *filter) set(change func(f *filter)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *filter) has() artifact.Digest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded
}

// encoded returns an empty ruleset of the generation.
func encoded(t *testing.T, generation uint64) ([]byte, artifact.Digest) {
	t.Helper()
	rs := &artifact.Ruleset{
		Header:     artifact.Header{Generation: generation, Default: artifact.Allow},
		Program:    artifact.Program{Ports: []artifact.PortSet{nil}, Profiles: []artifact.Profile{{}}},
		Membership: artifact.Membership{Classes: []artifact.Class{{}}},
	}
	b, err := artifact.Encode(rs)
	if err != nil {
		t.Fatal(err)
	}
	return b, rs.Digest
}

// fixture is a running enforcer of a file.
type fixture struct {
	*enforcer.Enforcer
	t      *testing.T
	path   string
	target *filter
	log    *lockedBuffer
	stop   func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, path string, poll time.Duration, target *filter) *fixture {
	t.Helper()
	f := &fixture{t: t, path: path, target: target, log: &lockedBuffer{}}
	f.Enforcer = enforcer.New(enforcer.Config{
		Path: path, Debounce: 2 * time.Millisecond, Poll: poll, Retry: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}, target)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	f.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) write(b []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path, b, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) rename(b []byte) {
	f.t.Helper()
	tmp := f.path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(tmp, f.path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) await(what string, cond func(enforcer.Status) bool) {
	f.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !cond(f.Status()) {
		if time.Now().After(deadline) {
			f.t.Fatalf("never %s: %+v\n%s", what, f.Status(), f.log)
		}
		time.Sleep(time.Millisecond)
	}
}

func (f *fixture) awaitDigest(want artifact.Digest) {
	f.t.Helper()
	f.await("enforced "+want.String(), func(s enforcer.Status) bool { return s.Enforced && s.Digest == want })
	if got := f.target.has(); got != want {
		f.t.Fatalf("target has %v, status says %v", got, want)
	}
}

const never = time.Hour // for tests of being told, not of polling

func TestFollowsFile(t *testing.T) {
	f := start(t, filepath.Join(t.TempDir(), "ruleset"), never, &filter{})
	one, d1 := encoded(t, 1)
	f.write(one)
	f.awaitDigest(d1)
	two, d2 := encoded(t, 2)
	f.rename(two)
	f.awaitDigest(d2)
	f.write(one)
	f.awaitDigest(d1)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.rename(two)
	f.awaitDigest(d2)
	if s := f.Status(); s.Refused+s.Failed > 0 {
		// A write that is not atomic may be seen half done: only that.
		t.Logf("%+v", s)
	}
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	if f.target.has() != d2 {
		t.Error("stopping changed the target")
	}
	if log := f.log.String(); !strings.Contains(log, d2.String()) || !strings.Contains(log, "generation=2") {
		t.Errorf("log does not name what was applied:\n%s", log)
	}
}

// Links on the way to the file, as in a mounted ConfigMap.
func TestFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	one, d1 := encoded(t, 1)
	two, d2 := encoded(t, 2)
	for name, b := range map[string][]byte{"v1": one, "v2": two} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "ruleset"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) {
		tmp := filepath.Join(dir, "..tmp")
		if err := errors.Join(os.Symlink(to, tmp), os.Rename(tmp, filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	link("v1")
	if err := os.Symlink(filepath.Join("..data", "ruleset"), filepath.Join(dir, "ruleset")); err != nil {
		t.Fatal(err)
	}
	f := start(t, filepath.Join(dir, "ruleset"), never, &filter{})
	f.awaitDigest(d1)
	link("v2")
	f.awaitDigest(d2)
}

func TestPolls(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later") // cannot be watched
	f := start(t, filepath.Join(dir, "ruleset"), 5*time.Millisecond, &filter{})
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	one, d1 := encoded(t, 1)
	f.rename(one)
	f.awaitDigest(d1)
	// The target loses its rules: the next look repairs it.
	f.target.set(func(f *filter) { f.loaded = artifact.Digest{} })
	f.await("repaired", func(enforcer.Status) bool { return f.target.has() == d1 })
}

func TestRefusesBadFiles(t *testing.T) {
	good, digest := encoded(t, 1)
	other, otherDigest := encoded(t, 2)
	schema := bytes.Clone(other)
	schema[8] ^= 0xff // see docs/artifact.md: the version follows the magic
	flipped := bytes.Clone(other)
	flipped[len(flipped)-1] ^= 1
	absent, _ := encoded(t, 77)
	for name, c := range map[string]struct {
		file   []byte
		reason string
	}{
		"truncated":      {other[:len(other)-3], "artifact"},
		"empty":          {nil, "not a Sluice artifact"},
		"unknown schema": {schema, "schema version"},
		"bit flipped":    {flipped, "artifact"},
		"no artifact":    {[]byte("apiVersion: v1\nkind: Pod\n"), "not a Sluice artifact"},
		"other node":     {absent, "not for this node"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, filepath.Join(t.TempDir(), "ruleset"), 5*time.Millisecond, &filter{refuse: 77})
			f.rename(good)
			f.awaitDigest(digest)
			f.rename(c.file)
			f.await("refused", func(s enforcer.Status) bool { return s.Refused == 1 })
			time.Sleep(20 * time.Millisecond) // a few looks later
			s := f.Status()
			if s.Refused != 1 || s.Failed != 0 || !s.Enforced || s.Digest != digest || f.target.has() != digest {
				t.Errorf("%+v, target has %v; want one refusal and %v still", s, f.target.has(), digest)
			}
			if !strings.Contains(s.LastError, c.reason) || !strings.Contains(f.log.String(), c.reason) {
				t.Errorf("the reason %q is neither status nor log: %q", c.reason, s.LastError)
			}
			f.rename(other)
			f.awaitDigest(otherDigest)
			if s := f.Status(); s.LastError != "" {
				t.Errorf("error after success: %s", s.LastError)
			}
		})
	}
}

func TestTriesAgain(t *testing.T) {
	target := &filter{fail: errors.New("kernel says no")}
	f := start(t, filepath.Join(t.TempDir(), "ruleset"), never, target)
	one, d1 := encoded(t, 1)
	f.rename(one)
	f.await("failed twice", func(s enforcer.Status) bool { return s.Failed >= 2 })
	if s := f.Status(); s.Enforced || s.Applied > 0 || !strings.Contains(s.LastError, "kernel says no") {
		t.Errorf("%+v", s)
	}
	target.set(func(f *filter) { f.fail = nil })
	f.awaitDigest(d1)
}
