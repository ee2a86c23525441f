package php

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// Files is the store of PHP's handler files: a folder, as in session.save_path. One with
// levels of folders (N;/path) is not read. PHP keeps a session's file locked while a
// request uses it; Read waits for that, as PHP itself does, at most until its context
// is done. The program needs the rights of PHP's user to the folder.
//
// A file that another than PHP may have put there is ErrForged: a link, anything but a
// regular file, and, where everybody may write to the folder, as is usual in Debian, one
// that belongs to neither root nor the user whom the program runs as. PHP itself looks at
// the owner only.
func Files(dir string) bridge.KV { return &files{dir: dir, prefix: "sess_"} }

// LaravelFiles is the store of Laravel's session driver file, such as
// storage/framework/sessions.
func LaravelFiles(dir string) bridge.KV { return &files{dir: dir} }

type files struct {
	dir, prefix string
	lifetime    time.Duration
}

func (f *files) during(lifetime time.Duration) bridge.KV {
	aged := *f
	aged.lifetime = lifetime
	return &aged
}

// name is a session's file. The id has been looked at: no id leads elsewhere.
func (f *files) name(id string) (string, error) {
	if !validID(id) {
		return "", bridge.ErrForged
	}
	return filepath.Join(f.dir, f.prefix+id), nil
}

// Get implements bridge.KV.
func (f *files) Get(ctx context.Context, id string) ([]byte, time.Duration, error) {
	name, err := f.name(id)
	if err != nil {
		return nil, 0, err
	}
	file, err := f.open(name, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, bridge.ErrEnded
	case errors.Is(err, bridge.ErrForged):
		return nil, 0, err
	case err != nil:
		return nil, 0, failed("read", err)
	}
	defer file.Close()
	if err := lock(ctx, file, false); err != nil {
		return nil, 0, failed("lock", err)
	}
	info, err := file.Stat() // only now: a request of PHP's may have written while we waited
	if err != nil {
		return nil, 0, failed("read", err)
	}
	if links(info) == 0 { // or destroyed the session
		return nil, 0, bridge.ErrEnded
	}
	left := time.Until(info.ModTime().Add(f.lifetime))
	if left <= 0 {
		return nil, 0, bridge.ErrExpired
	}
	data, err := io.ReadAll(io.LimitReader(file, bridge.MaxRecord+1))
	switch {
	case err != nil:
		return nil, 0, failed("read", err)
	case len(data) > bridge.MaxRecord:
		return nil, 0, bridge.Refused("a record of more than %d bytes", bridge.MaxRecord)
	case len(data) == 0: // opened there, and nothing written
		return nil, 0, bridge.ErrEnded
	}
	return data, left, nil
}

// open opens a file that PHP may have made, and nothing else: it follows no link, and
// waits for nobody at the other end of a pipe.
func (f *files) open(name string, how int) (*os.File, error) {
	file, err := os.OpenFile(name, how|openHow, 0o600)
	if err != nil {
		if info, statErr := os.Lstat(name); statErr == nil && !info.Mode().IsRegular() {
			return nil, errNoFile
		}
		return nil, err
	}
	if err := f.genuine(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

var (
	errNoFile = fmt.Errorf("%w: what has its name is no regular file", bridge.ErrForged)
	errOwner  = fmt.Errorf("%w: its file belongs neither to the user of this program nor to root, in a folder that everybody may write to; run the program as PHP's user", bridge.ErrForged)
	errLinks  = fmt.Errorf("%w: its file has several names, in a folder that everybody may write to", bridge.ErrForged)
)

// genuine reports why the file cannot be PHP's. Where only some may write to the folder,
// they are who is trusted.
func (f *files) genuine(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNoFile
	}
	dir, err := os.Stat(f.dir)
	switch {
	case err != nil:
		return err
	case dir.Mode().Perm()&0o002 == 0:
		return nil
	case !trusted(info):
		return errOwner
	case links(info) > 1:
		return errLinks
	}
	return nil
}

// failed leaves out the file's name, which has the id in it.
func failed(what string, err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("bridge: %s a session's file: %w", what, err)
}

// Set implements bridge.KV.
func (f *files) Set(ctx context.Context, id string, data []byte, _ time.Duration) error {
	name, err := f.name(id)
	if err != nil {
		return err
	}
	file, err := f.open(name, os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return failed("write", err)
	}
	if err := lock(ctx, file, true); err != nil {
		return errors.Join(failed("lock", err), file.Close())
	}
	_, err = file.WriteAt(data, 0)
	if err = errors.Join(err, file.Truncate(int64(len(data))), file.Close()); err != nil {
		return failed("write", err)
	}
	return nil
}

// Del implements bridge.KV.
func (f *files) Del(_ context.Context, id string) error {
	name, err := f.name(id)
	if err != nil {
		return nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("remove", err)
	}
	return nil
}

// Keys implements bridge.KeyWalker.
func (f *files) Keys(_ context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		dir, err := os.Open(f.dir)
		if err != nil {
			yield("", failed("list", err))
			return
		}
		defer dir.Close()
		for {
			page, err := dir.ReadDir(500)
			for _, e := range page {
				id, ok := strings.CutPrefix(e.Name(), f.prefix)
				if ok && e.Type().IsRegular() && validID(id) && strings.HasPrefix(id, prefix) && !yield(id, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield("", failed("list", err))
				return
			}
		}
	}
}
