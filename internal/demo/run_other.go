//go:build !linux

package demo

import (
	"context"
	"errors"
)

// Run needs Linux.
func Run(context.Context, Options) error {
	return errors.New("the demo needs Linux: it runs on network namespaces and nftables")
}
