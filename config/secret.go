package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Secret is a value that is never shown: written out, or named by
// ${credential:NAME} (systemd's credentials), ${file:PATH} or ${env:NAME}. It is
// read when it is needed, so one that is missing is fatal only for what needs it.
type Secret struct {
	raw *string // behind a pointer, because fmt goes around String when a verb does not fit what holds the secret
}

// NewSecret makes a secret of a reference or a literal value.
func NewSecret(raw string) Secret {
	if raw == "" {
		return Secret{}
	}
	return Secret{&raw}
}

// ErrMissing marks a secret whose reference leads nowhere.
var ErrMissing = errors.New("secret missing")

var reference = regexp.MustCompile(`^\$\{(credential|file|env):([^{}]+)\}$`)

// Set reports that something was configured.
func (s Secret) Set() bool { return s.raw != nil }

func (s Secret) text() string {
	if s.raw == nil {
		return ""
	}
	return *s.raw
}

// String names where the secret comes from, never the secret.
func (s Secret) String() string {
	switch {
	case !s.Set():
		return ""
	case reference.MatchString(s.text()):
		return s.text()
	default:
		return "[secret]"
	}
}

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText keeps the reference; a misspelt one is an error that does not
// repeat it, a literal is taken as it is.
func (s *Secret) UnmarshalText(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, "${") && !reference.MatchString(text) {
		return faulty("write ${credential:NAME}, ${file:PATH} or ${env:NAME}", "that is no reference to a secret")
	}
	*s = NewSecret(text)
	return nil
}

// literal is the value where it was written out, and whether it was.
func (s Secret) literal() (string, bool) {
	return s.text(), s.Set() && !reference.MatchString(s.text())
}

// Value is the secret, without white space around it where it comes from outside
// the configuration. Its error wraps ErrMissing and says where it was looked for.
func (s Secret) Value() (string, error) {
	m := reference.FindStringSubmatch(s.text())
	if m == nil {
		return s.text(), nil
	}
	switch name := m[2]; m[1] {
	case "env":
		value := strings.TrimSpace(os.Getenv(name))
		if value == "" {
			return "", fmt.Errorf("%w: the environment has no %s", ErrMissing, name)
		}
		return value, nil
	case "file":
		return readSecret(name)
	default:
		return readCredential(name)
	}
}

// readCredential reads what systemd's LoadCredential put into $CREDENTIALS_DIRECTORY.
func readCredential(name string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("%w: ${credential:%s} needs systemd's LoadCredential (CREDENTIALS_DIRECTORY is not set)", ErrMissing, name)
	}
	if name != filepath.Base(name) || name == "." || name == ".." {
		return "", fmt.Errorf("%w: %s is no name of a credential", ErrMissing, shown(name))
	}
	return readSecret(filepath.Join(dir, name))
}

// maxSecret bounds a secret's file, in bytes: a credentials file of NATS has 1 KiB.
const maxSecret = 64 << 10

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMissing, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch value := strings.TrimSpace(string(b)); {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrMissing, err)
	case len(b) > maxSecret:
		return "", fmt.Errorf("%w: %s is larger than %d KiB", ErrMissing, path, maxSecret>>10)
	case value == "":
		return "", fmt.Errorf("%w: %s is empty", ErrMissing, path)
	default:
		return value, nil
	}
}
