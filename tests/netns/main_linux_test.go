package netns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programs is where sluiced is built; "" before that.
var programs string

func TestMain(m *testing.M) {
	if os.Getenv(impostor) != "" {
		pretend()
	}
	status := m.Run()
	if programs != "" {
		_ = os.RemoveAll(programs)
	}
	os.Exit(status)
}

// build builds the node daemon from this tree, once.
var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(sluicedPath); path != "" {
		return path, nil
	}
	var err error
	if programs, err = os.MkdirTemp("", "sluice-programs-"); err != nil {
		return "", err
	}
	path := filepath.Join(programs, "sluiced")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/sluiced").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build sluiced: %w\n%s", err, out)
	}
	return path, nil
})

// sluicedPath names the program to test instead of building it.
const sluicedPath = "SLUICE_TEST_SLUICED"

// sluiced returns the path of the node daemon.
func sluiced(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
