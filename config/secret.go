package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Secret is a value that is never shown: written out, or named by
// ${credential:NAME} (systemd's credentials), ${file:PATH} or ${env:NAME}. It is
// read when it is needed, so one that is missing is fatal only for what needs it.
type Secret struct{ raw string }

// NewSecret makes a secret of a reference or a literal value.
func NewSecret(raw string) Secret { return Secret{raw} }

// ErrMissing marks a secret whose reference leads nowhere.
var ErrMissing = errors.New("secret missing")

var reference = regexp.MustCompile(`^\$\{(credential|file|env):([^}]+)\}$`)

// Set reports that something was configured.
func (s Secret) Set() bool { return s.raw != "" }

// String names where the secret comes from, never the secret.
func (s Secret) String() string {
	switch {
	case s.raw == "":
		return ""
	case reference.MatchString(s.raw):
		return s.raw
	default:
		return "[secret]"
	}
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText keeps the reference; a misspelt one is an error, a literal is taken as it is.
func (s *Secret) UnmarshalText(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, "${") && !reference.MatchString(text) {
		return errors.New("that is no reference to a secret: write ${credential:NAME}, ${file:PATH} or ${env:NAME}")
	}
	s.raw = text
	return nil
}

// Value is the secret. Its error wraps ErrMissing and says where it was looked for.
func (s Secret) Value() (string, error) {
	m := reference.FindStringSubmatch(s.raw)
	if m == nil {
		return s.raw, nil
	}
	var value string
	switch m[1] {
	case "env":
		if value = os.Getenv(m[2]); value == "" {
			return "", fmt.Errorf("%w: the environment has no %s", ErrMissing, m[2])
		}
	case "file":
		return readSecret(m[2])
	case "credential":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", fmt.Errorf("%w: %s needs systemd's LoadCredential (CREDENTIALS_DIRECTORY is not set)", ErrMissing, s.raw)
		}
		if m[2] != filepath.Base(m[2]) {
			return "", fmt.Errorf("%w: %s is no name of a credential", ErrMissing, s.raw)
		}
		return readSecret(filepath.Join(dir, m[2]))
	}
	return value, nil
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMissing, err)
	}
	value := strings.TrimSpace(string(b))
	if value == "" {
		return "", fmt.Errorf("%w: %s is empty", ErrMissing, path)
	}
	return value, nil
}
