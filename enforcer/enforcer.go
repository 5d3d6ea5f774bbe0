// Package enforcer keeps a target, the kernel's packet filter, equal to the
// ruleset in a file: it watches the file, decodes what it finds, and applies
// it whole. What it cannot apply changes nothing: the last good ruleset stays.
package enforcer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Target is what enforces rulesets.
type Target interface {
	// Sync makes the target enforce all of want and nothing else. It is
	// idempotent, and repairs the target if somebody else changed it. If it
	// fails, the target enforces what it did before. An error that is
	// ErrRefused says that want itself is at fault.
	Sync(ctx context.Context, want *artifact.Ruleset) (Report, error)
}

// Report tells what a Sync did.
type Report struct {
	Transaction string        // "unchanged", or how it changed the target
	Elements    int           // addresses and ports, added and deleted
	Commit      time.Duration // until the target confirmed
	Recovered   error         // what went wrong on the way, if it ended well
}

// ErrRefused means that a ruleset cannot be enforced here, however often it is
// tried.
var ErrRefused = errors.New("ruleset refused")

// Config of an Enforcer. A zero duration means its default.
type Config struct {
	Path     string        // of the ruleset
	Debounce time.Duration // quiet time after a change of the file; default 20 ms
	Poll     time.Duration // between looks at the file and the target in any case; default 5 s
	Retry    time.Duration // after the first failure, doubled up to Poll; default 100 ms
	Limits   artifact.Limits
	Log      *slog.Logger
}

// Enforcer applies the ruleset in a file. Use New.
type Enforcer struct {
	cfg    Config
	target Target

	seen  fileID            // the file's state when it was read last
	want  *artifact.Ruleset // the last that decoded and was not refused
	dirty bool              // want is not applied yet

	mu     sync.Mutex
	status Status
}

// Status counts what happened and says what is enforced.
type Status struct {
	Enforced   bool // a ruleset is
	Generation uint64
	Digest     artifact.Digest
	Applied    uint64 // rulesets that came into force
	Refused    uint64 // files that are no ruleset, or none for this target
	Failed     uint64 // attempts of the target to apply
	LastError  string // of the last file or attempt; "" if it went well
}

// New returns an enforcer; Run starts it.
func New(cfg Config, target Target) *Enforcer {
	def := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	def(&cfg.Debounce, 20*time.Millisecond)
	def(&cfg.Poll, 5*time.Second)
	def(&cfg.Retry, 100*time.Millisecond)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Enforcer{cfg: cfg, target: target}
}

// Status returns a snapshot; it is safe for concurrent use.
func (e *Enforcer) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Run applies the file and its changes until ctx ends; then it returns nil and
// leaves the target as it is.
func (e *Enforcer) Run(ctx context.Context) error {
	events, stop := watch(e.cfg.Path, e.cfg.Log)
	defer stop()
	retry := e.cfg.Retry
	for {
		e.step(ctx)
		wait := e.cfg.Poll
		if e.dirty {
			wait = min(wait, retry)
			retry *= 2
		} else {
			retry = e.cfg.Retry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-events:
			e.settle(ctx, events)
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			e.cfg.Log.Info("stopping; the rules stand", "enforced", e.Status().Enforced)
			return nil
		}
	}
}

// settle waits until the file has been quiet for a while, but not for ever.
func (e *Enforcer) settle(ctx context.Context, events <-chan struct{}) {
	const atMost = 20 // times the quiet time
	for range atMost {
		select {
		case <-ctx.Done():
			return
		case <-time.After(e.cfg.Debounce):
			return
		case <-events:
		}
	}
}

// step reads the file if it has changed, and applies what is wanted.
func (e *Enforcer) step(ctx context.Context) {
	previous := e.want
	if rs := e.read(); rs != nil {
		e.want, e.dirty = rs, true
	}
	if e.want == nil {
		return
	}
	err := e.apply(ctx)
	if !errors.Is(err, ErrRefused) {
		return
	}
	e.want, e.dirty = previous, false
	if previous != nil && previous.Digest != e.Status().Digest {
		e.dirty = true // it never came into force
	}
}

// read returns the file's ruleset if it is a new one.
func (e *Enforcer) read() *artifact.Ruleset {
	f, err := os.Open(e.cfg.Path)
	if err != nil {
		e.unreadable(err)
		return nil
	}
	defer func() { _ = f.Close() }()
	id, err := identify(f)
	if err != nil {
		e.unreadable(err)
		return nil
	}
	if id == e.seen {
		return nil
	}
	e.seen = id
	rs, err := artifact.Decode(f, e.cfg.Limits)
	if err != nil {
		e.refuse(fmt.Errorf("read %s: %w", e.cfg.Path, err))
		return nil
	}
	if e.want != nil && rs.Digest == e.want.Digest {
		return nil
	}
	return rs
}

// unreadable notes that there is no file to read; once, until there is.
func (e *Enforcer) unreadable(err error) {
	none := fileID{missing: true}
	if e.seen == none {
		return
	}
	e.seen = none
	if errors.Is(err, fs.ErrNotExist) {
		e.cfg.Log.Warn("no ruleset yet: waiting for the file", "path", e.cfg.Path, "enforced", e.Status().Enforced)
		return
	}
	e.refuse(err)
}

func (e *Enforcer) refuse(err error) {
	e.update(func(s *Status) {
		s.Refused++
		s.LastError = err.Error()
	})
	s := e.Status()
	e.cfg.Log.Error("ruleset refused; what was enforced stays", "reason", err,
		"path", e.cfg.Path, "refused", s.Refused, "enforced", s.Enforced, "digest", s.Digest, "generation", s.Generation)
}

// apply brings want into force, or makes sure that it still is.
func (e *Enforcer) apply(ctx context.Context) error {
	start := time.Now()
	rep, err := e.target.Sync(ctx, e.want)
	log := e.cfg.Log.With("digest", e.want.Digest, "generation", e.want.Header.Generation)
	switch {
	case ctx.Err() != nil && err != nil:
		return err // asked to stop
	case errors.Is(err, ErrRefused):
		e.refuse(err)
		return err
	case err != nil:
		e.dirty = true
		e.update(func(s *Status) {
			s.Failed++
			s.LastError = err.Error()
		})
		log.Error("ruleset not applied; trying again", "reason", err, "failed", e.Status().Failed)
		return err
	}
	fresh := e.dirty
	e.dirty = false
	e.update(func(s *Status) {
		if fresh {
			s.Applied++
			s.LastError = ""
		}
		s.Enforced, s.Digest, s.Generation = true, e.want.Digest, e.want.Header.Generation
	})
	if rep.Recovered != nil {
		log.Warn("recovered while applying", "reason", rep.Recovered)
	}
	if fresh || rep.Transaction != "unchanged" {
		log.Info("ruleset applied", "transaction", rep.Transaction, "elements", rep.Elements,
			"commit", rep.Commit, "duration", time.Since(start))
	}
	return nil
}

func (e *Enforcer) update(f func(*Status)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.status)
}
