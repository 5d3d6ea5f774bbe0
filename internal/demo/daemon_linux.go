package demo

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/internal/testbed"
)

// daemon is sluiced on one node.
type daemon struct {
	node    *testbed.Node
	process *testbed.Process
	log     *logbook
}

// logbook keeps what a program writes, to be shown if it fails.
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

// startDaemon starts sluiced in the node's network namespace.
func startDaemon(c *testbed.Cluster, n *testbed.Node, program, file string) (*daemon, error) {
	d := &daemon{node: n, log: &logbook{}}
	var err error
	d.process, err = c.Start(n.Host, testbed.Command{
		Path: program, Args: []string{"run", "--node", n.Name, "--artifact", file},
		Stdout: d.log, Stderr: d.log,
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ready waits until the daemon enforces.
func (d *daemon) ready(ctx context.Context) error {
	for !strings.Contains(d.log.String(), "enforcing") {
		select {
		case <-d.process.Done():
			return fmt.Errorf("sluiced on %s ended: %w\n%s", d.node.Name, d.process.Wait(), d.log)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
