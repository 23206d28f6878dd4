package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"
)

const (
	// mapped is how much address space (not memory) is taken at once, so that the
	// file may grow while somebody reads: mapping anew waits for all readers.
	mapped = 256 << 20
	// grow is how much the file grows at once; bbolt's own 16 MB would be more than a year of history.
	grow = 1 << 20
)

// Open opens the file, and creates it (0600) unless ReadOnly. An older format is
// migrated, after a backup beside the file. Trouble with the file is an *Error
// with a hint; what cannot be read is never overwritten.
func Open(path string, o Options) (*DB, error) { return open(path, o, Format, migrations) }

func open(path string, o Options, format int, steps map[int]migration) (*DB, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if !o.ReadOnly {
		if err := create(path, format); err != nil {
			return nil, err
		}
	}
	if err := inspect(path, o); err != nil {
		return nil, err
	}
	b, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, bolt: b}
	db.ledger = newLedger(db)
	if err := db.prepare(o, format, steps); err != nil {
		return nil, errors.Join(err, db.closeFile())
	}
	return db, nil
}

// prepare checks the format, and brings an older file up to date.
func (db *DB) prepare(o Options, format int, steps map[int]migration) error {
	found, empty, err := db.format()
	switch {
	case err != nil:
		return err
	case empty && !o.ReadOnly:
		return db.initialise(time.Now(), format)
	case found == format && !o.ReadOnly:
		return db.initialise(time.Now(), format) // buckets that came later without a new format
	case found == format:
		return nil
	case found > format:
		return &Error{Kind: ErrNewer, Path: db.path, Hint: "use the repwatch that wrote it, or a newer one",
			What: fmt.Sprintf("written by a newer repwatch (format %d), this one knows %d; nothing was changed", found, format)}
	case o.ReadOnly:
		return &Error{Kind: ErrOlder, Path: db.path, Hint: "start the daemon once (repwatch run): it makes a backup and migrates the file",
			What: fmt.Sprintf("written by an older repwatch (format %d), and opened for reading only; this one knows %d", found, format)}
	}
	return db.migrate(time.Now(), found, format, steps)
}

// create makes a new store beside path and gives it its name when it is whole, so
// that a crash leaves either no store or a good one. A file that is there is left alone.
func create(path string, format int) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // 0600
	if err != nil {
		return openError(path, err)
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return openError(path, err)
	}
	b, err := openBolt(f.Name(), Options{Timeout: defaultTimeout})
	if err != nil {
		return err
	}
	db := &DB{path: path, bolt: b}
	if err := errors.Join(db.initialise(time.Now(), format), b.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(f.Name(), path); err != nil { // a file system without links
			return openError(path, err)
		}
	}
	return syncDir(path)
}

func openBolt(path string, o Options) (b *bolt.DB, err error) {
	old := debug.SetPanicOnFault(true)
	var file *os.File
	defer func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			err = errors.Join(faultError(path, p), file.Close()) // or it would stay locked
		}
	}()
	size := mapped
	if o.ReadOnly {
		size = 0
	}
	b, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: o.Timeout, ReadOnly: o.ReadOnly,
		FreelistType: bolt.FreelistMapType, InitialMmapSize: size, NoStatistics: true,
		OpenFile: func(name string, flag int, perm os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, perm)
			return file, err
		}})
	if err != nil {
		return nil, openError(path, err)
	}
	b.AllocSize = grow
	return b, nil
}

// inspect looks at the file before bbolt maps it, while nobody writes to it.
func inspect(path string, o Options) error {
	info, err := os.Stat(path)
	if err != nil {
		return openError(path, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return &Error{Kind: ErrForeign, Path: path, What: "this is a " + kindOfFile(info.Mode()), Hint: "store.path names a file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return openError(path, err)
	}
	defer f.Close() // and with it the lock
	if err := share(f, o.Timeout); err != nil {
		return openError(path, err)
	}
	if found := inspectFile(f, o); found != nil {
		found.Path = path
		return found
	}
	return nil
}

// share locks a file against those who write; bbolt's own lock is of the same kind.
func share(f *os.File, timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(lockPoll) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
	}
}

const lockPoll = 10 * time.Millisecond

func kindOfFile(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

func inspectFile(f *os.File, o Options) *Error {
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	head = head[:n]
	switch {
	case err == io.EOF && !o.ReadOnly:
		return nil // empty: it is going to be a store
	case err == io.EOF:
		return &Error{Kind: ErrMissing, What: "the file is empty", Hint: "the daemon fills it (repwatch run); or is store.path another one?"}
	case err != nil && err != io.ErrUnexpectedEOF:
		return &Error{Kind: ErrDamaged, What: fmt.Sprintf("cannot be read: %v", err), Hint: "look at the disk (dmesg)", Err: err}
	}
	metas, seen := readMetas(f)
	if len(metas) == 0 {
		return noMeta(head, seen)
	}
	info, err := f.Stat()
	if err != nil {
		return &Error{Kind: ErrDamaged, What: err.Error(), Err: err}
	}
	// bbolt goes by the meta with the higher txid; its older one reaches no further.
	if want := int64(metas[0].highWater) * metas[0].pageSize; info.Size() < want {
		return &Error{Kind: ErrDamaged, Hint: hintDamaged,
			What: fmt.Sprintf("the file is truncated: %d of at least %d bytes are there", info.Size(), want)}
	}
	if said := checkPages(f, metas[0]); len(said) > 0 {
		return &Error{Kind: ErrDamaged, Hint: hintDamaged, What: "the file is damaged: " + strings.Join(said[:min(3, len(said))], "; ")}
	}
	return nil
}

// noMeta says what a file is that has no valid meta page.
func noMeta(head []byte, seen bool) *Error {
	foreign := func(what string) *Error {
		return &Error{Kind: ErrForeign, What: what + ", no repwatch store", Hint: "nothing was changed; is store.path another one?"}
	}
	switch {
	case seen:
		return &Error{Kind: ErrDamaged, What: "the file is damaged: neither of its two head pages is whole", Hint: hintDamaged}
	case strings.HasPrefix(string(head), "SQLite format 3\x00"):
		return foreign("this is an SQLite database")
	case len(strings.Trim(string(head), "\x00")) == 0:
		return &Error{Kind: ErrDamaged, What: "the file is damaged: it begins with nothing but zeros", Hint: hintDamaged}
	case isText(head):
		return foreign("this is a text file")
	default:
		return foreign("this is a file of another kind")
	}
}

func isText(b []byte) bool {
	for i := range min(len(b), utf8.UTFMax-1) { // the last character may be cut
		if utf8.Valid(b[:len(b)-i]) {
			return !strings.ContainsFunc(string(b), func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n\f\x1b", r) })
		}
	}
	return false
}

// checkPages looks at all pages that the state of this moment reaches.
func (db *DB) checkPages() (said []string, err error) {
	f, err := os.Open(db.path)
	if err != nil {
		return nil, openError(db.path, err)
	}
	defer f.Close()
	// While the transaction lasts nobody writes over the pages that it reaches.
	err = db.view(func(b *bolt.Tx) error {
		metas, _ := readMetas(f)
		for _, m := range metas {
			if m.txid == uint64(b.ID()) {
				said = checkPages(f, m)
				return nil
			}
		}
		if len(metas) == 0 {
			said = []string{"neither of its two head pages is whole"}
			return nil
		}
		return errMoved
	})
	if errors.Is(err, errMoved) { // two commits in between; the next look is at a newer state
		return db.checkPages()
	}
	return said, err
}

var errMoved = errors.New("the state moved on")

// syncDir makes a new name in path's directory last.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return openError(path, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return openError(path, err)
	}
	return nil
}
