package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A crash may come at any write. bbolt writes the changed pages in the order of
// their numbers, syncs, and then one head page, so what the disk may hold after a
// crash is: some of the changed pages and the old head, half a head, or all.
// Whatever it is, the store opens, its invariants hold, and it is either what it
// was before the transaction or what it is after it.
func TestCrashAtEveryWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "repwatch.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := newWorld(db, 7)
	w.steps(t, 20)
	images := 0
	for images < 60 {
		before, was := readFile(t, path), dump(t, db)
		w.steps(t, 1)
		after, is := readFile(t, path), dump(t, db)
		if txid(t, after) != txid(t, before)+1 {
			continue // nothing changed; or a delivery, which is two transactions
		}
		for name, image := range crashImages(before, after) {
			images++
			got := crashed(t, filepath.Join(dir, "crashed.db"), image)
			if got != was && got != is {
				t.Errorf("transaction %d, %s: neither as before nor as after", w.n, name)
			}
			if name != "head" && name != "half a head" && got != was {
				t.Errorf("transaction %d, %s: something of an unfinished transaction is there", w.n, name)
			}
			if name == "head" && got != is {
				t.Errorf("transaction %d: the finished transaction is not there", w.n)
			}
		}
	}
}

func txid(t *testing.T, file []byte) uint64 {
	t.Helper()
	metas, _ := readMetas(bytes.NewReader(file))
	if len(metas) == 0 {
		t.Fatal("no head page is whole")
	}
	return metas[0].txid
}

// crashed opens what a crash left, and returns all that is in it.
func crashed(t *testing.T, path string, image []byte) string {
	t.Helper()
	writeFile(t, path, image)
	sound(t, path)
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	defer db.Close()
	all := dump(t, db)
	if err := newWorld(db, 9).spend(); err != nil { // and it can be written to
		t.Error(err)
	}
	return all
}

func dump(t *testing.T, db *DB) string {
	t.Helper()
	var b bytes.Buffer
	if err := db.Dump(&b, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func crashImages(before, after []byte) map[string][]byte {
	const size = 4096
	image := make([]byte, len(after)) // the file grows before it is written
	copy(image, before)
	images := map[string][]byte{}
	if len(after) > len(before) {
		images["grown"] = slices.Clone(image)
	}
	for p := 2; p < len(after)/size; p++ {
		at := p * size
		if bytes.Equal(image[at:at+size], after[at:at+size]) {
			continue
		}
		copy(image[at:at+size/2], after[at:])
		images[fmt.Sprintf("half of page %d", p)] = slices.Clone(image)
		copy(image[at:at+size], after[at:])
		images[fmt.Sprintf("page %d", p)] = slices.Clone(image)
	}
	for p := range 2 {
		if at := p * size; !bytes.Equal(image[at:at+size], after[at:at+size]) {
			copy(image[at:at+16+40], after[at:])
			images["half a head"] = slices.Clone(image)
			copy(image[at:at+size], after[at:])
			images["head"] = slices.Clone(image)
		}
	}
	return images
}
