//go:build !linux

package setup

import (
	"fmt"
	"os"
)

func clockSynced() (synced, known bool) { return false, false }

func freeBytes(string) (uint64, bool) { return 0, false }

// writable goes by the mode alone.
func writable(path string) error {
	st, err := os.Stat(path)
	if err == nil && st.Mode().Perm()&0o222 == 0 {
		return fmt.Errorf("%s is read-only (mode %04o)", path, st.Mode().Perm())
	}
	return err
}
