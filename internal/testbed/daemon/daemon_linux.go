// Package daemon runs the real sluiced on the nodes of a testbed.
package daemon

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/testbed"
)

// Daemon is sluiced on one node.
type Daemon struct {
	*testbed.Process
	Node *testbed.Node

	log *logbook
}

// Start starts the program in the node's network namespace. It follows the
// file, which need not exist yet.
func Start(c *testbed.Cluster, n *testbed.Node, program, ruleset string) (*Daemon, error) {
	d := &Daemon{Node: n, log: &logbook{}}
	p, err := c.Start(n.Host, testbed.Command{
		Path: program, Args: []string{"run", "--node", n.Name, "--ruleset", ruleset},
		Stdout: d.log, Stderr: d.log,
	})
	d.Process = p
	return d, err
}

// StartAll starts the program on every node.
func StartAll(c *testbed.Cluster, program, ruleset string) ([]*Daemon, error) {
	var all []*Daemon
	for _, n := range c.Nodes {
		d, err := Start(c, n, program, ruleset)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// Log is what the daemon has written so far.
func (d *Daemon) Log() string { return d.log.String() }

// Mark returns the end of the log, for Await.
func (d *Daemon) Mark() int { return len(d.log.String()) }

// Await waits for a line of the log after mark that has all the words.
func (d *Daemon) Await(ctx context.Context, mark int, words ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		for line := range strings.Lines(d.Log()[mark:]) {
			if containsAll(line, words) {
				return nil
			}
		}
		select {
		case <-d.Done():
			return fmt.Errorf("sluiced on %s has ended: %w\n%s", d.Node.Name, d.Wait(), d.Log())
		case <-ctx.Done():
			return fmt.Errorf("sluiced on %s did not say %q: %w\n%s", d.Node.Name, words, ctx.Err(), d.Log())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func containsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// Enforces waits until the daemon has said that the ruleset is in force.
func (d *Daemon) Enforces(ctx context.Context, digest artifact.Digest) error {
	return d.Await(ctx, 0, "ruleset applied", digest.String())
}

// Crash kills the daemon and waits until it is gone.
func (d *Daemon) Crash() {
	_ = d.Signal(syscall.SIGKILL)
	_ = d.Wait()
}

// logbook keeps what a program writes.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
