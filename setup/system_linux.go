package setup

import (
	"os"
	"syscall"
)

// clockSynced asks the kernel what its time daemon told it (adjtimex(2)). It changes nothing.
func clockSynced() (synced, known bool) {
	const timeError = 5 // TIME_ERROR: not synchronised
	var t syscall.Timex // Modes 0: read only
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return false, false
	}
	return state != timeError, true
}

// freeBytes is what is left for us on a path's file system.
func freeBytes(path string) (uint64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}

// writable asks without writing.
func writable(path string) error {
	const wOK = 2
	if err := syscall.Access(path, wOK); err != nil {
		return os.NewSyscallError("access", err)
	}
	return nil
}
