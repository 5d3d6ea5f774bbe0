package netns

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/internal/testbed"
)

// traces lists what a cluster could leave in this process and on the machine.
func traces(t *testing.T) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	out["mounts"] = strings.Split(string(mounts), "\n")
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		// Pollers and pipes (for splicing) are the Go runtime's own.
		target, err := os.Readlink(fd)
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "pipe:") {
			out["descriptors"] = append(out["descriptors"], target)
		}
	}
	links, _ := os.ReadDir("/sys/class/net")
	for _, l := range links {
		out["links"] = append(out["links"], l.Name())
	}
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range tasks {
		children, _ := os.ReadFile(f)
		out["children"] = append(out["children"], strings.Fields(string(children))...)
	}
	for _, v := range out {
		slices.Sort(v)
	}
	return out
}

func TestCloseLeavesNothing(t *testing.T) {
	privileged(t)
	t.Setenv("TMPDIR", t.TempDir())
	// The first cluster makes what the process keeps: pollers, caches.
	useCluster(t)
	before := traces(t)
	useCluster(t)
	after := traces(t)
	for what := range after {
		if !slices.Equal(before[what], after[what]) {
			t.Errorf("%s before:\n%s\nafter:\n%s", what, strings.Join(before[what], "\n"), strings.Join(after[what], "\n"))
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left in the temporary directory: %v", left)
	}
}

// useCluster builds, uses and closes a cluster.
func useCluster(t *testing.T) {
	t.Helper()
	dir, err := testbed.FindPlugins(os.Getenv("SLUICE_CNI_BIN"), plugins)
	if err != nil {
		t.Skip(err)
	}
	c, err := testbed.New(t.Context(), testbed.Config{Plugins: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	populate(t, c)
	check(t, c, full(c))
	p, err := c.Start(c.Nodes[0].Host, testbed.Command{Path: "sleep", Args: []string{"1000"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(0); err != nil {
		t.Errorf("the process does not run: %v", err)
	}
}

func TestProcesses(t *testing.T) {
	c := cluster(t, testbed.Config{Wiring: testbed.Plain})
	var out strings.Builder
	p, err := c.Start(c.Node("node-2").Host, testbed.Command{Path: "cat", Args: []string{"/proc/net/fib_trie"}, Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil || !strings.Contains(out.String(), "10.30.0.2") {
		t.Errorf("the process did not run on its node: %v", err)
	}
	// A program that ignores SIGTERM is killed, and so is what it started.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	p, err = c.Start(c.Node("node-2").Host, testbed.Command{Path: "sh", Args: []string{"-c", "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000"}, Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscanln(r, &child); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Stop(200 * time.Millisecond); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("stop: %v, want killed", err)
	}
	for deadline := time.Now().Add(5 * time.Second); alive(child); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlived the one that started it", child)
		}
	}
	if _, err := c.Start(c.Nodes[0].Host, testbed.Command{Path: "/no/such/program"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("start a program that does not exist: %v", err)
	}
}

// victim makes TestKilledProcessLeavesNothing's child build a cluster and
// wait.
const victim = "SLUICE_TEST_VICTIM"

func TestKilledProcessLeavesNothing(t *testing.T) {
	privileged(t)
	if os.Getenv(victim) != "" {
		c := cluster(t, testbed.Config{Wiring: testbed.Plain})
		populate(t, c)
		p, err := c.Start(c.Nodes[0].Host, testbed.Command{Path: "sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready", p.PID, namespaceInode(t, c.Nodes[0].Host))
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), victim+"=1", "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid, inode int
	for s := bufio.NewScanner(out); s.Scan(); {
		if n, _ := fmt.Sscanf(s.Text(), "ready %d %d", &pid, &inode); n == 2 {
			break
		}
	}
	if pid == 0 {
		t.Fatal("the child did not build a cluster")
	}
	if !inUse(inode) {
		t.Error("nobody is in the node's namespace: the test does not see what it looks for")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	deadline := time.Now().Add(5 * time.Second)
	for alive(pid) || inUse(inode) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d or namespace %d is still there", pid, inode)
		}
		time.Sleep(10 * time.Millisecond)
	}

	// The next cluster removes the directory, once it is not young any more.
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 1 {
		t.Fatalf("left in the temporary directory: %v, want one directory", left)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	cluster(t, testbed.Config{Wiring: testbed.Plain, Dir: dir})
	if _, err := os.Stat(left[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v, want it gone", left[0], err)
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// inUse reports whether some process is in the network namespace or has it
// open.
func inUse(inode int) bool {
	name := fmt.Sprintf("net:[%d]", inode)
	for _, pattern := range []string{"/proc/[0-9]*/ns/net", "/proc/[0-9]*/fd/*"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			if target, err := os.Readlink(p); err == nil && target == name {
				return true
			}
		}
	}
	return false
}
