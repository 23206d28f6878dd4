package checks

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable makes foreign text one line that is harmless for a terminal, a page
// and a log, of at most limit bytes: control characters and broken UTF-8 become
// visible escapes.
func printable(s string, limit int) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		shown := s[i : i+n]
		switch {
		case r == utf8.RuneError && n == 1:
			shown = fmt.Sprintf(`\x%02x`, s[i])
		case unicode.IsPrint(r):
		case r < 0x80:
			shown = fmt.Sprintf(`\x%02x`, r)
		default:
			shown = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(shown) > limit {
			return b.String() + "…"
		}
		b.WriteString(shown)
		i += n
	}
	return b.String()
}
