package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// ErrExists says that a backup would overwrite a file.
var ErrExists = errors.New("the file exists already")

// Backup writes a copy of the store, as it is at this moment, while others read and
// write. The copy appears under its name when it is whole, and is for its owner
// only (0600). It does not overwrite: ErrExists.
func (db *DB) Backup(file string) error {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return &Error{Kind: ErrExists, Path: file, What: "the file exists already; nothing was written", Hint: "give the backup another name"}
	}
	return db.ReplaceBackup(file)
}

// ReplaceBackup is Backup for those who were told to overwrite.
func (db *DB) ReplaceBackup(file string) error {
	tmp, err := writeNew(file+".tmp", func(w io.Writer) error {
		_, err := db.BackupTo(w)
		return err
	})
	if err != nil {
		return openedError(file, err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return openError(file, errors.Join(err, os.Remove(tmp)))
	}
	return syncDir(file)
}

// BackupTo writes a copy of the store as it is at this moment.
func (db *DB) BackupTo(w io.Writer) (n int64, err error) {
	err = db.view(func(b *bolt.Tx) error {
		n, err = b.WriteTo(w)
		return err
	})
	return n, err
}

// writeNew writes a file and sees it onto the disk. It leaves none behind on failure.
func writeNew(file string, write func(io.Writer) error) (string, error) {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an attempt that died
		return "", err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	if err = errors.Join(write(b), b.Flush(), f.Sync()); err != nil {
		return "", errors.Join(err, f.Close(), os.Remove(file))
	}
	return file, f.Close()
}

// openedError explains an error unless it is explained already.
func openedError(path string, err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return openError(path, err)
}

// Compact rewrites the file without the pages that are not in use. The new one is
// verified before it takes the old one's place; until then the old is kept, and
// after that it is gone. Nobody else may hold the file.
func Compact(path string) error {
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	next := path + ".compact"
	if err := db.copyTo(next); err != nil {
		return errors.Join(err, removeIfThere(next), db.Close())
	}
	err = db.sameAs(next)
	if err == nil {
		err = replace(path, next) // still under the old file's lock: no daemon starts in between
	}
	return errors.Join(err, removeIfThere(next), db.Close())
}

// sameAs verifies a copy: it is whole, and says what the original says, good or bad.
func (db *DB) sameAs(file string) error {
	was, err := db.Verify()
	if err != nil {
		return err
	}
	is, err := Verify(file)
	if err != nil {
		return err
	}
	if was.Records != is.Records || was.Episodes != is.Episodes || was.Incidents != is.Incidents || !slices.Equal(was.Problems, is.Problems) {
		return errors.Join(fmt.Errorf("the compacted file is not like the original, which stays: %d of %d records", is.Records, was.Records), is.Err())
	}
	return nil
}

// replace gives next the name of path, and keeps the old file until that has lasted.
func replace(path, next string) error {
	old := path + ".bak"
	if err := removeIfThere(old); err != nil {
		return err
	}
	_ = os.Link(path, old) // a file system without links has to do with the rename, which is all or nothing
	if err := os.Rename(next, path); err != nil {
		return openError(path, err)
	}
	if err := syncDir(path); err != nil {
		return err
	}
	return removeIfThere(old)
}

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// copyRows bounds a transaction of copyTo.
const copyRows = 10_000

// copyTo copies every bucket into a new file, its pages full.
func (db *DB) copyTo(file string) error {
	if err := removeIfThere(file); err != nil {
		return err
	}
	to, err := openBolt(file, Options{Timeout: defaultTimeout})
	if err != nil {
		return err
	}
	defer to.Close()
	to.AllocSize = 0 // grow by what is needed
	dst := &DB{path: file, bolt: to}
	return db.view(func(src *bolt.Tx) error {
		names, err := sortedBuckets(src)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := dst.copyBucket(name, src.Bucket([]byte(name))); err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
		}
		return nil
	})
}

func (db *DB) copyBucket(name string, src *bolt.Bucket) error {
	c := src.Cursor()
	k, v := c.First()
	for first := true; first || k != nil; first = false {
		err := db.update(func(b *bolt.Tx) error {
			dst, err := b.CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			dst.FillPercent = 1
			for n := 0; k != nil && n < copyRows; n++ {
				if err := dst.Put(k, v); err != nil {
					return err
				}
				k, v = c.Next()
			}
			return dst.SetSequence(src.Sequence())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
