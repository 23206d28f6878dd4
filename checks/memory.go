package checks

import (
	"net/netip"
	"sync"
	"time"
)

// Memory is what looking remembers from one look to the next. It is no state of
// anything watched: losing it costs a few questions or minutes, no truth. It is
// safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	due  map[string]time.Time                 // by list: when its budget allows the next scheduled sweep
	mass map[string]time.Time                 // by list: since when it names most of those asked
	seen map[netip.Addr]map[string]netip.Addr // by sending IP and partner: the wrong address the partner saw
}

// NewMemory is an empty one.
func NewMemory() *Memory {
	return &Memory{due: map[string]time.Time{}, mass: map[string]time.Time{}, seen: map[netip.Addr]map[string]netip.Addr{}}
}
