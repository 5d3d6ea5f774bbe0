package demo

import (
	"errors"
	"io"
)

// Options of a demo. Sluiced is required.
type Options struct {
	Out    io.Writer
	Colour bool
	// Sluiced is the path of the node daemon's program.
	Sluiced string
	// Plugins lists directories that may have the CNI plugins. If none has,
	// pods are wired without CNI, and the demo says so.
	Plugins []string
	// Pause, if not nil, is called before the cluster is taken down, so that
	// one can look around in it.
	Pause func()
}

// ErrDiffers says that the wire did something else than the artifact says. The
// differences have been printed.
var ErrDiffers = errors.New("the wire differs from the artifact")
