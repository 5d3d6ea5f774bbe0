package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// self is the namespace of the calling thread. /proc/self would be the one of
// the process's main thread.
const self = "/proc/thread-self/ns/net"

// Namespace is a network namespace. It is safe for concurrent use.
type Namespace struct {
	f *os.File
}

// New makes a namespace whose loopback is down, as the kernel hands it over.
// It needs CAP_SYS_ADMIN in the current user namespace.
func New() (*Namespace, error) {
	var n *Namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create a network namespace: %w", err)
		}
		f, err := os.Open(self)
		n = &Namespace{f: f}
		return err
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Current returns the namespace that the calling thread is in.
func Current() (*Namespace, error) {
	f, err := os.Open(self)
	if err != nil {
		return nil, err
	}
	return &Namespace{f: f}, nil
}

// Do runs fn with its goroutine in the namespace. Sockets that fn opens and
// processes that it starts stay in the namespace; goroutines that it starts do
// not. Calls may be nested.
func (n *Namespace) Do(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.FD(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return fn()
	})
}

// onThread runs fn, which may change the network namespace of its thread, and
// changes back.
func onThread(fn func() error) (err error) {
	runtime.LockOSThread()
	back, err := os.Open(self)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		defer back.Close() //nolint:errcheck // only a handle
		if e := unix.Setns(int(back.Fd()), unix.CLONE_NEWNET); e != nil {
			// Left locked, the thread ends with its goroutine instead of
			// running others in the wrong namespace.
			err = errors.Join(err, fmt.Errorf("return to the first network namespace: %w", e))
			return
		}
		runtime.UnlockOSThread()
	}()
	return fn()
}

// FD is a descriptor of the namespace, valid until Close.
func (n *Namespace) FD() int { return int(n.f.Fd()) }

// Path leads other processes of the same user to the namespace, until Close.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.FD()) }

// SetSysctl sets a sysctl of the namespace, "net/ipv4/ip_forward" for example.
func (n *Namespace) SetSysctl(key, value string) error {
	return n.Do(func() error {
		err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
		if err != nil {
			return fmt.Errorf("set sysctl %s to %s: %w", key, value, err)
		}
		return nil
	})
}

// Sysctl returns the value of a sysctl of the namespace.
func (n *Namespace) Sysctl(key string) (string, error) {
	var value []byte
	err := n.Do(func() (err error) {
		value, err = os.ReadFile(filepath.Join("/proc/sys", key))
		return err
	})
	return strings.TrimSpace(string(value)), err
}

// Close gives the namespace up. The kernel removes it, with all links, routes
// and rules in it, once no socket and no process is in it any more.
func (n *Namespace) Close() error { return n.f.Close() }
