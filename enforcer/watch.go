package enforcer

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// fileID tells apart what a path has led to.
type fileID struct {
	missing  bool
	size     int64
	modified time.Time
	inode    uint64
}

func identify(f *os.File) (fileID, error) {
	info, err := f.Stat()
	if err != nil {
		return fileID{}, err
	}
	return fileID{size: info.Size(), modified: info.ModTime(), inode: inode(info)}, nil
}

// watch returns a channel that says when something happens in the file's
// directory: that shows renames over the file, and of links on the way to it,
// as mounted ConfigMaps have. Where the kernel cannot watch, nothing is sent,
// and the caller's polling has to do.
func watch(path string, log *slog.Logger) (events <-chan struct{}, stop func()) {
	out := make(chan struct{}, 1)
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(filepath.Dir(path))
	}
	if err != nil {
		log.Warn("cannot watch the ruleset's directory; polling", "path", path, "reason", err)
		if w != nil {
			_ = w.Close()
		}
		return out, func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case ev, ok := <-w.Events:
				if !ok {
					return
				}
				if ev.Op == fsnotify.Chmod {
					continue
				}
			case err, ok := <-w.Errors:
				if !ok {
					return
				}
				log.Warn("watching the ruleset's directory", "reason", err) // may have lost events
			}
			select {
			case out <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return out, func() {
		_ = w.Close()
		<-done
	}
}
