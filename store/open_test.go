package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// played is the path of a closed store in which a daemon has worked for a while.
func played(t testing.TB, steps int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repwatch.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	newWorld(db, 1).steps(t, steps)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What cannot be opened is refused in words, and left as it is.
func TestFilesThatAreNoStore(t *testing.T) {
	text := strings.Repeat("sending_ips:\n  - {ip: 203.0.113.7}  # größer\n", 40)
	for name, c := range map[string]struct {
		content string
		kind    error
		words   string
	}{
		"sqlite":    {"SQLite format 3\x00" + strings.Repeat("\x01\x02", 4096), ErrForeign, "this is an SQLite database, no repwatch store"},
		"text":      {text, ErrForeign, "this is a text file, no repwatch store"},
		"one byte":  {"x", ErrForeign, "this is a text file, no repwatch store"},
		"zeros":     {strings.Repeat("\x00", 32768), ErrDamaged, "the file is damaged: it begins with nothing but zeros"},
		"something": {"\x7fELF" + strings.Repeat("\x80\x00", 9000), ErrForeign, "this is a file of another kind, no repwatch store"},
	} {
		for _, o := range []Options{{}, {ReadOnly: true}} {
			path := filepath.Join(t.TempDir(), "repwatch.db")
			writeFile(t, path, []byte(c.content))
			db, err := Open(path, o)
			if err == nil {
				t.Errorf("%s was opened", name)
				_ = db.Close()
				continue
			}
			if !errors.Is(err, c.kind) || !strings.HasPrefix(err.Error(), path+": "+c.words+"\n  hint: nothing was changed") {
				t.Errorf("%s: %v", name, err)
			}
			if got := string(readFile(t, path)); got != c.content {
				t.Errorf("%s was changed", name)
			}
		}
	}
}

func TestForeignBoltFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repwatch.db")
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("etcd"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, path)
	if _, err := Open(path, Options{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), `a bbolt file of another program (with "etcd")`) {
		t.Errorf("said %v", err)
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("it was changed")
	}
}

func TestEmptyAndMissingFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "empty.db")
	writeFile(t, path, nil)
	if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, ErrMissing) {
		t.Errorf("an empty file, for reading: %v", err)
	}
	openAt(t, path) // it becomes a store

	path = filepath.Join(dir, "none.db")
	_, err := Open(path, Options{ReadOnly: true})
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "hint: the daemon creates it (repwatch run)") {
		t.Errorf("no file, for reading: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("reading created the file")
	}
	openAt(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("created as %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("creating left %v behind", left)
	}

	_, err = Open(filepath.Join(dir, "no", "such", "x.db"), Options{})
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "no/such does not exist\n  hint: create it") {
		t.Errorf("no directory: %v", err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "this is a directory") {
		t.Errorf("a directory: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(pipe, Options{}); !errors.Is(err, ErrForeign) { // and does not wait for ever
		t.Errorf("a pipe: %v", err)
	}
}

func TestLocked(t *testing.T) {
	db := openTemp(t)
	for _, o := range []Options{{Timeout: time.Millisecond}, {Timeout: time.Millisecond, ReadOnly: true}} {
		if _, err := Open(db.Path(), o); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "hint: the daemon holds it while it runs") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Verify(db.Path()); !errors.Is(err, ErrLocked) {
		t.Errorf("verify: %v", err)
	}
	if err := Compact(db.Path()); !errors.Is(err, ErrLocked) {
		t.Errorf("compact: %v", err)
	}
}

func TestReadersShareAndDoNotWrite(t *testing.T) {
	path := played(t, 20)
	before := readFile(t, path)
	for range 2 {
		db, err := Open(path, Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Update(t0, func(tx *Tx) error { return tx.Settings().Put("x", []byte("1")) }); !errors.Is(err, ErrDenied) {
			t.Errorf("writing through a reader: %v", err)
		}
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("the file was changed")
	}
}

// A file cut short anywhere is refused and stays as it is, unless only room at its
// end is missing that holds nothing.
func TestTruncated(t *testing.T) {
	whole := readFile(t, played(t, 60))
	used := usedBytes(t, whole)
	dir := t.TempDir()
	lengths := []int{1, 7, 15, 16, 79, 80, 81, 511, 4095, 4096, 4097, 4175, 4176, 8191, 8192, 12288, used - 4096, used - 1}
	for i := 1; i < 24; i++ {
		lengths = append(lengths, used*i/24+i)
	}
	for _, n := range lengths {
		for _, o := range []Options{{}, {ReadOnly: true}} {
			path := filepath.Join(dir, fmt.Sprintf("%d-%t.db", n, o.ReadOnly))
			writeFile(t, path, whole[:n])
			db, err := Open(path, o)
			if err == nil {
				t.Errorf("%d of %d bytes were opened", n, used)
				_ = db.Close()
				continue
			}
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) || n >= 4096 && !strings.Contains(err.Error(), "truncated") {
				t.Errorf("%d bytes: %v", n, err)
			}
			if !bytes.Equal(readFile(t, path), whole[:n]) {
				t.Errorf("%d bytes: the file was changed", n)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(dir, "exact.db")
	writeFile(t, path, whole[:used])
	openAt(t, path)
}

// usedBytes is how far the pages of a file reach.
func usedBytes(t testing.TB, file []byte) int {
	t.Helper()
	metas, _ := readMetas(bytes.NewReader(file))
	if len(metas) != 2 {
		t.Fatalf("%d metas", len(metas))
	}
	return int(metas[0].highWater) * int(metas[0].pageSize)
}

// Each page in turn is lost, or holds something else: no panic, no fault, and
// nothing is overwritten. Only a page that holds nothing may be torn unnoticed.
func TestTorn(t *testing.T) {
	whole := readFile(t, played(t, 40))
	whole = whole[:usedBytes(t, whole)]
	metas, _ := readMetas(bytes.NewReader(whole))
	w := &walker{r: bytes.NewReader(whole), meta: metas[0], seen: map[uint64]bool{}}
	if err := w.tree(metas[0].root, nil, nil, 0); err != nil || len(w.said) > 0 {
		t.Fatal(err, w.said)
	}
	inUse := w.seen
	inUse[metas[0].freelist] = true
	const size = 4096
	path := filepath.Join(t.TempDir(), "repwatch.db")
	for page := range len(whole) / size {
		for name, tear := range map[string]func([]byte){
			"zeros":   func(p []byte) { clear(p) },
			"garbage": func(p []byte) { copy(p, bytes.Repeat([]byte{0xa5, 0x5a, 0x02, 0xff}, size/4)) },
			"half":    func(p []byte) { clear(p[size/2:]) },
			"another": func(p []byte) { copy(p, whole[((page+5)*size)%len(whole):]) },
			"huge":    func(p []byte) { copy(p[8:16], "\x02\x00\xff\xff\xff\xff\xff\x7f") },
			"wild":    func(p []byte) { copy(p[16:], bytes.Repeat([]byte{0xf0, 0xff, 0xff, 0x7f}, 40)) },
		} {
			torn := slices.Clone(whole)
			tear(torn[page*size : (page+1)*size])
			writeFile(t, path, torn)
			report, err := Verify(path)
			if err != nil && !errors.Is(err, ErrForeign) {
				t.Errorf("page %d, %s: %v", page, name, err)
			}
			quiet := err == nil && report.OK()
			if quiet && page < 2 && name != "half" && name != "huge" && !report.Head {
				t.Errorf("page %d, %s: nobody noticed", page, name)
			}
			if quiet && inUse[uint64(page)] && name != "half" && name != "wild" && name != "huge" {
				t.Errorf("page %d, %s: nobody noticed", page, name)
			}
			db, err := Open(path, Options{})
			if err == nil {
				if !quiet && len(report.Problems) > 0 && report.Problems[0].Rule == "pages" {
					t.Errorf("page %d, %s: opened for writing, with %v", page, name, report.Problems)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
			if !bytes.Equal(readFile(t, path), torn) {
				t.Errorf("page %d, %s: the file was changed", page, name)
			}
		}
	}
}

// The file shrinks under an open store: what bbolt would die of is an error, and so
// is everything after it.
func TestFaultsBecomeErrors(t *testing.T) {
	path := played(t, 60)
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = db.View(func(tx *Tx) error {
			for range tx.Journal(time.Time{}, time.Time{}) {
				continue
			}
			return nil
		})
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("reading said %v", err)
		}
		if err := db.Update(t0, func(tx *Tx) error { return tx.Settings().Put("x", []byte("1")) }); !errors.Is(err, ErrDamaged) {
			t.Errorf("writing said %v", err)
		}
	}
	_ = db.Close() // comes back
}

// Arbitrary bytes, and good stores with arbitrary bytes in them: no panic, and what is
// refused stays as it is.
func FuzzOpen(f *testing.F) {
	whole := readFile(f, played(f, 12))
	whole = whole[:usedBytes(f, whole)]
	f.Add([]byte{}, uint32(0), []byte{})
	f.Add([]byte{}, uint32(4096*3), []byte("\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\xff\xff"))
	f.Add([]byte{}, uint32(16), []byte("\x00"))
	f.Add(whole[:8192], uint32(0), []byte{})
	f.Add([]byte("SQLite format 3\x00"), uint32(0), []byte{})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, at uint32, patch []byte) {
		if len(content) == 0 { // a patch to a good store
			content = whole
		}
		content = slices.Clone(content)
		if int(at) < len(content) {
			copy(content[at:], patch)
		}
		path := filepath.Join(dir, "fuzz.db")
		writeFile(t, path, content)
		_, err := Verify(path) // never panics
		if after := readFile(t, path); !bytes.Equal(content, after) {
			t.Errorf("verify changed the file (%v)", err)
		}
		db, err := Open(path, Options{})
		if err != nil {
			if after := readFile(t, path); !bytes.Equal(content, after) {
				t.Errorf("a file that is refused (%v) was changed", err)
			}
			return
		}
		_ = db.View(func(tx *Tx) error {
			for range tx.Episodes().All() {
				continue
			}
			return nil
		})
		_ = db.Close()
	})
}
