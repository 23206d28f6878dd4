package config

import (
	"regexp"
	"strings"

	"repwatch/internal/strictyaml"
)

// discreet keeps secrets out of what is said about a file that cannot be read. An
// unquoted password that begins with * ! | or > is an alias, a tag or a block
// header to YAML, and its reader would repeat it.
func discreet(problems strictyaml.Problems) {
	for i := range problems {
		p := &problems[i]
		switch {
		case p.Path == "":
			p.Message = quotedWord.ReplaceAllString(p.Message, "")
		case isSecret(p.Path) && !strings.Contains(p.Message, "reference to a secret") && !strings.Contains(p.Message, ": want "):
			p.Message, p.Hint = p.Path+": this cannot be read as a value", "put it in quotes"
		}
	}
}

var (
	quotedWord = regexp.MustCompile(`: ".*"$`) // YAML's own messages end with what they stumbled over
	index      = regexp.MustCompile(`\[\d+\]`)
)

// isSecret reports that a path is that of a secret, or of one in a map.
func isSecret(path string) bool {
	path = index.ReplaceAllString(path, "[]")
	for _, k := range Keys() {
		if strings.Contains(k.Type, "secret") && within(path, k.Path) {
			return true
		}
	}
	return false
}
