package register

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// bbolt maps its file and trusts it: where a page is damaged it panics, faults in a
// way that ends the process, loops, or takes pages for free that are not, and
// writes over them. So the structure of a file is checked before bbolt sees it; what
// the records say is for load to check.

// checkFile checks the structure of the bbolt file at path, if there is one.
func checkFile(path string) (exists bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, errors.New("is not a regular file")
	case info.Size() == 0:
		return false, errors.New("is empty, which a register never is: put a copy in its place, or remove it to begin a new one")
	}
	// This takes the lock, shared, so that nobody writes what is being checked.
	// Read-only, bbolt looks at no more than the two meta pages.
	db, err := bbolt.Open(path, 0, &bbolt.Options{Timeout: lockWait, ReadOnly: true})
	if _, inaccessible := errors.AsType[*fs.PathError](err); inaccessible || errors.Is(err, bbolterrors.ErrTimeout) {
		return false, err
	} else if err != nil {
		return false, damaged(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return false, err
	}
	if err := checkPages(f, info.Size()); err != nil {
		return false, damaged(err)
	}
	return true, nil
}

// Offsets and sizes of bbolt's format, version 2. Integers are in the byte order of
// the machine.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 64

	pageHeader  = 16 // id u64, flags u16, count u16, overflow u32: pages that follow as part of this one
	elementSize = 16 // branch: pos u32, key size u32, page u64; leaf: flags u32, pos u32, key size u32, value size u32
	bucketSize  = 16 // root page u64 (0: the page itself follows), sequence u64

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketElement = 0x01

	minPageSize = 512      // of every system
	maxPageSize = 64 << 10 // of every system
)

var order = binary.NativeEndian

// meta is what a meta page tells.
type meta struct {
	pageSize                    int64
	root, freelist, pages, txid uint64
}

// pageCheck is a walk over all pages of a file.
type pageCheck struct {
	file     io.ReaderAt
	pageSize int64
	met      []bool // by page: whether it was come across; each must be, once
}

// checkPages checks a bbolt file of that size: that every page is whole, is of the
// right kind, and either belongs to one bucket, in the order of the keys, or is free.
func checkPages(file io.ReaderAt, size int64) error {
	m, err := readMeta(file)
	if err != nil {
		return err
	}
	if m.pages < 4 || m.pages > uint64(size/m.pageSize) {
		return fmt.Errorf("it should have %d pages of %d bytes, but is of %d bytes", m.pages, m.pageSize, size)
	}
	c := &pageCheck{file: file, pageSize: m.pageSize, met: make([]bool, m.pages)}
	c.met[0], c.met[1] = true, true
	if _, _, err := c.tree(m.root); err != nil {
		return err
	}
	if err := c.freelist(m.freelist); err != nil {
		return err
	}
	for id, met := range c.met {
		if !met {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return nil
}

// readMeta reads both meta pages and returns the newer. bbolt would do with one,
// but if that is the older, what was committed last is gone.
func readMeta(file io.ReaderAt) (newer meta, err error) {
	var at int64
	for page := range 2 {
		b := make([]byte, pageHeader+metaSize)
		if _, err := file.ReadAt(b, at); err != nil {
			return meta{}, fmt.Errorf("meta page %d: %w", page, err)
		}
		header, b := b[:pageHeader], b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(b[:56])
		if order.Uint64(header) != uint64(page) || order.Uint16(header[8:]) != metaPage ||
			order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[56:]) != sum.Sum64() {
			return meta{}, fmt.Errorf("meta page %d is not valid", page)
		}
		m := meta{
			pageSize: int64(order.Uint32(b[8:])),
			root:     order.Uint64(b[16:]),
			freelist: order.Uint64(b[32:]),
			pages:    order.Uint64(b[40:]),
			txid:     order.Uint64(b[48:]),
		}
		if m.pageSize < minPageSize || m.pageSize > maxPageSize || page == 1 && m.pageSize != newer.pageSize {
			return meta{}, fmt.Errorf("meta page %d: pages of %d bytes", page, m.pageSize)
		}
		if page == 0 || m.txid > newer.txid {
			newer = m
		}
		at = m.pageSize
	}
	return newer, nil
}

// read reads a page with those that continue it, and notes that they were met.
func (c *pageCheck) read(id uint64) (page []byte, err error) {
	if id >= uint64(len(c.met)) {
		return nil, fmt.Errorf("there is no page %d", id)
	}
	header := make([]byte, pageHeader)
	if _, err := c.file.ReadAt(header, int64(id)*c.pageSize); err != nil {
		return nil, err
	}
	pages := 1 + uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || pages > uint64(len(c.met))-id {
		return nil, fmt.Errorf("page %d has a wrong header", id)
	}
	for i := id; i < id+pages; i++ {
		if err := c.meet(i); err != nil {
			return nil, err
		}
	}
	page = make([]byte, int64(pages)*c.pageSize)
	_, err = c.file.ReadAt(page, int64(id)*c.pageSize)
	return page, err
}

func (c *pageCheck) meet(id uint64) error {
	if id >= uint64(len(c.met)) || c.met[id] {
		return fmt.Errorf("page %d is used twice, or is none", id)
	}
	c.met[id] = true
	return nil
}

// tree checks the pages from a root on. It returns the least and the greatest key.
func (c *pageCheck) tree(root uint64) (first, last []byte, err error) {
	page, err := c.read(root)
	if err != nil {
		return nil, nil, err
	}
	return c.elements(root, page)
}

// elements checks the elements of a page, and what is below them. bbolt writes the
// keys and values without gaps, in order, after the table of the elements.
func (c *pageCheck) elements(id uint64, page []byte) (first, last []byte, err error) {
	isLeaf, count := false, int(order.Uint16(page[10:]))
	switch flags := order.Uint16(page[8:]); {
	case flags == leafPage:
		isLeaf = true
	case flags != branchPage || count == 0:
		return nil, nil, fmt.Errorf("page %d is of kind %#x with %d elements", id, flags, count)
	}
	end := pageHeader + count*elementSize // of the data gone through
	if end > len(page) {
		return nil, nil, fmt.Errorf("page %d has no room for %d elements", id, count)
	}
	for i := range count {
		at := pageHeader + i*elementSize
		e := page[at : at+elementSize]
		var flags, pos, keySize, valueSize uint32
		if isLeaf {
			flags, pos, keySize, valueSize = order.Uint32(e), order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		} else {
			pos, keySize = order.Uint32(e), order.Uint32(e[4:])
		}
		if at+int(pos) != end || flags&^bucketElement != 0 || keySize == 0 ||
			int64(keySize)+int64(valueSize) > int64(len(page)-end) {
			return nil, nil, fmt.Errorf("page %d: element %d is not valid", id, i)
		}
		key := page[end : end+int(keySize)]
		value := page[end+int(keySize) : end+int(keySize)+int(valueSize)]
		end += len(key) + len(value)
		if i > 0 && bytes.Compare(key, last) <= 0 {
			return nil, nil, fmt.Errorf("page %d: the keys are out of order", id)
		}
		if i == 0 {
			first = key
		}
		last = key
		switch {
		case !isLeaf:
			least, greatest, err := c.tree(order.Uint64(e[8:]))
			if err != nil {
				return nil, nil, err
			}
			if bytes.Compare(least, key) < 0 {
				return nil, nil, fmt.Errorf("page %d: a key below element %d is out of order", id, i)
			}
			last = greatest
		case flags == bucketElement:
			if err := c.bucket(id, value); err != nil {
				return nil, nil, err
			}
		}
	}
	return first, last, nil
}

// bucket checks a bucket by the value that stands for it on a page.
func (c *pageCheck) bucket(id uint64, value []byte) error {
	if len(value) < bucketSize {
		return fmt.Errorf("page %d: a bucket of %d bytes", id, len(value))
	}
	if root := order.Uint64(value); root != 0 {
		_, _, err := c.tree(root)
		return err
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || order.Uint64(inline) != 0 || order.Uint16(inline[8:]) != leafPage || order.Uint32(inline[12:]) != 0 {
		return fmt.Errorf("page %d: a bucket is not valid", id)
	}
	_, _, err := c.elements(id, inline)
	return err
}

// freelist checks the list of free pages.
func (c *pageCheck) freelist(id uint64) error {
	page, err := c.read(id)
	if err != nil {
		return err
	}
	count, ids := uint64(order.Uint16(page[10:])), page[pageHeader:]
	if count == 0xFFFF { // too many for 16 bits: the number stands before them
		count, ids = order.Uint64(ids), ids[8:]
	}
	if order.Uint16(page[8:]) != freelistPage || count > uint64(len(ids)/8) {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	for i := range count {
		if err := c.meet(order.Uint64(ids[i*8:])); err != nil {
			return err
		}
	}
	return nil
}
