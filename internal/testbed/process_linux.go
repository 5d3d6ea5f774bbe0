package testbed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Command is a program to run on a host.
type Command struct {
	Path   string
	Args   []string // without the program's name
	Env    []string // added to this process's
	Stdout io.Writer
	Stderr io.Writer
}

// Process is a program that runs on a host, in a process group of its own. It
// ends with the cluster, and with this process, however that ends.
type Process struct {
	PID  int
	done chan struct{}
	err  error // valid when done is closed
}

// Start runs a program in the network namespace of a host.
func (c *Cluster) Start(h *Host, command Command) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	started := make(chan error, 1)
	// The kernel sends the death signal when the thread that started the
	// process ends, so one thread stays with it.
	go func() {
		var launched bool
		err := h.Do(func() error {
			cmd := exec.Command(command.Path, command.Args...)
			cmd.Env = append(os.Environ(), command.Env...)
			cmd.Stdout, cmd.Stderr = command.Stdout, command.Stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
			cmd.WaitDelay = time.Second
			if err := cmd.Start(); err != nil {
				return err
			}
			launched = true
			p.PID = cmd.Process.Pid
			if err := c.register(p); err != nil {
				_ = cmd.Process.Kill()
				started <- err
				return cmd.Wait()
			}
			started <- nil
			return cmd.Wait()
		})
		if !launched {
			started <- err
		}
		c.mu.Lock()
		delete(c.processes, p)
		c.mu.Unlock()
		p.err = err
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("testbed: start %s on %s: %w", command.Path, h.Name, err)
	}
	return p, nil
}

func (c *Cluster) register(p *Process) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the cluster is closed")
	}
	c.processes[p] = struct{}{}
	return nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns how the process ended, as exec.Cmd.Wait does.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error { return p.signal(p.PID, s) }

// Kill kills the process and what it started. It does not wait.
func (p *Process) Kill() { _ = p.signal(-p.PID, syscall.SIGKILL) }

// Stop asks the process to end, kills it after a grace period, and returns how
// it ended.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
	return p.Wait()
}

func (p *Process) signal(pid int, s syscall.Signal) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
		return syscall.Kill(pid, s)
	}
}
