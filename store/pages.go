package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// A look at a bbolt file that never maps it: bbolt itself panics or faults on a
// file that was cut short or torn, and by then the process is in its hands. What
// is read here is bbolt's format, version 2, in the byte order of this machine:
//
//	page     id u64, flags u16, count u16, overflow u32, then count elements
//	meta     magic, version, page size, flags u32; root pgid u64, sequence u64;
//	         freelist, high water, txid u64; FNV-1a of these u64
//	branch   position u32, key size u32, pgid u64
//	leaf     flags u32, position u32, key size u32, value size u32; flag 1 marks a bucket,
//	         whose value is root pgid u64, sequence u64 and, with root 0, a page in line
//	freelist count pgids u64; with count 0xFFFF the first is the count
//
// Positions count from the element itself. Pages 0 and 1 hold a meta each; the
// one with the higher txid is in force.
const (
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	pageHead     = 16
	metaSize     = 64
	elementSize  = 16
	inBucketSize = 16
	noFreelist   = ^uint64(0)

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01

	minPage = 1 << 10
	maxPage = 16 << 20
)

var native = binary.NativeEndian

// boltMeta is a valid meta page.
type boltMeta struct {
	pageSize  int64
	root      uint64
	freelist  uint64
	highWater uint64 // the first page that is not in use
	txid      uint64
}

// readMetas returns the valid metas, the one in force first; seen reports that
// at least something like a meta stands there.
func readMetas(r io.ReaderAt) (metas []boltMeta, seen bool) {
	first, ok, magic := metaAt(r, 0)
	seen = magic
	if ok {
		metas = append(metas, first)
	}
	for size := int64(minPage); size <= maxPage; size *= 2 {
		if ok && size != first.pageSize {
			continue
		}
		second, valid, magic := metaAt(r, size)
		seen = seen || magic
		if valid && second.pageSize == size {
			metas = append(metas, second)
			break
		}
	}
	if len(metas) == 2 && metas[1].txid > metas[0].txid {
		metas[0], metas[1] = metas[1], metas[0]
	}
	return metas, seen
}

func metaAt(r io.ReaderAt, off int64) (m boltMeta, valid, magic bool) {
	var b [pageHead + metaSize]byte
	if _, err := r.ReadAt(b[:], off); err != nil {
		return m, false, false
	}
	p := b[pageHead:]
	if native.Uint32(p) != boltMagic {
		return m, false, false
	}
	sum := fnv.New64a()
	sum.Write(p[:metaSize-8])
	m = boltMeta{
		pageSize: int64(native.Uint32(p[8:])), root: native.Uint64(p[16:]), freelist: native.Uint64(p[32:]),
		highWater: native.Uint64(p[40:]), txid: native.Uint64(p[48:]),
	}
	valid = native.Uint32(p[4:]) == boltVersion && native.Uint64(p[56:]) == sum.Sum64() &&
		m.pageSize >= minPage && m.pageSize <= maxPage && m.pageSize&(m.pageSize-1) == 0 &&
		m.root >= 2 && m.root < m.highWater && (m.freelist == noFreelist || m.freelist >= 2 && m.freelist < m.highWater) &&
		m.highWater < 1<<40
	return m, valid, true
}

// walker goes through all pages that one meta reaches.
type walker struct {
	r    io.ReaderAt
	meta boltMeta
	seen map[uint64]bool
	said []string
}

// maxSaid bounds what is told of one file: the first few faults say where it is torn.
const maxSaid = 20

var errEnough = errors.New("enough was found")

// checkPages says what is wrong with the pages that a meta reaches; nothing is fine.
func checkPages(r io.ReaderAt, m boltMeta) []string {
	w := &walker{r: r, meta: m, seen: map[uint64]bool{}}
	if err := w.freelist(); err != nil {
		return w.said
	}
	_ = w.tree(m.root, nil, nil, 0)
	return w.said
}

func (w *walker) say(format string, a ...any) error {
	w.said = append(w.said, fmt.Sprintf(format, a...))
	if len(w.said) >= maxSaid {
		return errEnough
	}
	return nil
}

// load reads a page with its overflow and takes note of it. Nil: there is something wrong with it.
func (w *walker) load(id uint64) ([]byte, error) {
	if id < 2 || id >= w.meta.highWater {
		return nil, w.say("page %d is referred to, but the file ends before page %d", id, w.meta.highWater)
	}
	head := make([]byte, w.meta.pageSize)
	if _, err := w.r.ReadAt(head, int64(id)*w.meta.pageSize); err != nil {
		return nil, w.say("page %d cannot be read: %v", id, err)
	}
	if got := native.Uint64(head); got != id {
		return nil, w.say("page %d calls itself page %d", id, got)
	}
	over := uint64(native.Uint32(head[12:]))
	if id+over >= w.meta.highWater {
		return nil, w.say("page %d goes on for %d pages, beyond the end of the file", id, over)
	}
	for i := id; i <= id+over; i++ {
		if w.seen[i] {
			return nil, w.say("page %d is in use twice", i)
		}
		w.seen[i] = true
	}
	if over == 0 {
		return head, nil
	}
	page := make([]byte, (int64(over)+1)*w.meta.pageSize)
	if _, err := w.r.ReadAt(page, int64(id)*w.meta.pageSize); err != nil {
		return nil, w.say("page %d cannot be read: %v", id, err)
	}
	return page, nil
}

// freelist notes the free pages as used: a page that is free cannot be in the tree.
func (w *walker) freelist() error {
	if w.meta.freelist == noFreelist {
		return nil
	}
	p, err := w.load(w.meta.freelist)
	if err != nil || p == nil {
		return err
	}
	if flags := native.Uint16(p[8:]); flags != flagFreelist {
		return w.say("page %d should hold the free pages, but is of kind %#x", w.meta.freelist, flags)
	}
	n, ids := uint64(native.Uint16(p[10:])), p[pageHead:]
	if n == 0xFFFF {
		n, ids = native.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return w.say("page %d lists %d free pages, more than it can hold", w.meta.freelist, n)
	}
	for ; n > 0; n-- {
		id := native.Uint64(ids)
		ids = ids[8:]
		if id < 2 || id >= w.meta.highWater || w.seen[id] {
			if err := w.say("page %d is free, yet in use or beyond the end", id); err != nil {
				return err
			}
		}
		w.seen[id] = true
	}
	return nil
}

// maxDepth is far beyond any tree: 4 levels hold 10^8 keys.
const maxDepth = 32

// tree checks a branch or leaf and all below it. Its keys are in [from, to); nil leaves an end open.
func (w *walker) tree(id uint64, from, to []byte, depth int) error {
	p, err := w.load(id)
	if err != nil || p == nil {
		return err
	}
	return w.elements(fmt.Sprintf("page %d", id), p, from, to, depth)
}

func (w *walker) elements(name string, p, from, to []byte, depth int) error {
	flags, count := native.Uint16(p[8:]), int(native.Uint16(p[10:]))
	switch {
	case flags != flagBranch && flags != flagLeaf:
		return w.say("%s should hold keys, but is of kind %#x", name, flags)
	case depth > maxDepth:
		return w.say("%s is %d levels deep", name, depth)
	case pageHead+count*elementSize > len(p):
		return w.say("%s holds %d keys, more than it has room for", name, count)
	case flags == flagBranch && count == 0:
		return w.say("%s leads nowhere", name)
	}
	keys := make([][]byte, count)
	for i := range keys {
		k, ok := elementKey(p, flags, i)
		if !ok {
			return w.say("%s: key %d lies outside it", name, i)
		}
		if i > 0 && bytes.Compare(keys[i-1], k) >= 0 || i == 0 && bytes.Compare(k, from) < 0 || to != nil && bytes.Compare(k, to) >= 0 {
			return w.say("%s: key %d is out of order", name, i)
		}
		keys[i] = k
	}
	for i := range keys {
		if err := w.below(name, p, flags, i, keys, to, depth); err != nil {
			return err
		}
	}
	return nil
}

// below checks what the i-th element leads to.
func (w *walker) below(name string, p []byte, flags uint16, i int, keys [][]byte, to []byte, depth int) error {
	e := p[pageHead+i*elementSize:]
	if flags == flagBranch {
		if i+1 < len(keys) {
			to = keys[i+1]
		}
		return w.tree(native.Uint64(e[8:]), keys[i], to, depth+1)
	}
	if native.Uint32(e)&flagBucket == 0 {
		return nil
	}
	start := pageHead + i*elementSize + int(native.Uint32(e[4:])) + len(keys[i])
	v := p[start : start+int(native.Uint32(e[12:]))]
	if len(v) < inBucketSize {
		return w.say("%s: bucket %q is cut short", name, keys[i])
	}
	if root := native.Uint64(v); root != 0 {
		return w.tree(root, nil, nil, depth+1)
	}
	if len(v) < inBucketSize+pageHead {
		return w.say("%s: bucket %q is cut short", name, keys[i])
	}
	inline := v[inBucketSize:]
	if native.Uint16(inline[8:]) != flagLeaf {
		return w.say("%s: bucket %q holds no keys", name, keys[i])
	}
	return w.elements(fmt.Sprintf("%s, bucket %q", name, keys[i]), inline, nil, nil, depth+1)
}

// elementKey returns the key of the i-th element, if it and its value lie inside the page.
func elementKey(p []byte, flags uint16, i int) ([]byte, bool) {
	at := pageHead + i*elementSize
	e := p[at : at+elementSize]
	pos, ksize, vsize := native.Uint32(e), native.Uint32(e[4:]), uint32(0)
	if flags == flagLeaf {
		pos, ksize, vsize = native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:])
	}
	start := int64(at) + int64(pos)
	end := start + int64(ksize) + int64(vsize)
	if int64(pos) < elementSize || end > int64(len(p)) {
		return nil, false
	}
	return p[start : start+int64(ksize)], true
}
