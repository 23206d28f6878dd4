package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mainCF is where Postfix has its configuration unless postconf says otherwise.
const mainCF = "/etc/postfix/main.cf"

// PostfixHere reads the Postfix of this host: through postconf where that is on the
// PATH, else from /etc/postfix itself. hostname stands for a myhostname that is not set.
func PostfixHere(ctx context.Context, hostname string) (Postfix, error) {
	params, err := postconf(ctx)
	if errors.Is(err, exec.ErrNotFound) {
		var text []byte
		text, err = os.ReadFile(mainCF)
		if errors.Is(err, fs.ErrNotExist) {
			return Postfix{}, fmt.Errorf("there is no Postfix here: neither postconf on the PATH nor %s\n  hint: leave --from-postfix out, or run this on the host that sends", mainCF)
		}
		params = ParseMainCF(string(text), hostname)
	}
	if err != nil {
		return Postfix{}, fmt.Errorf("the configuration of Postfix cannot be read: %w", err)
	}
	master, err := ReadTable(filepath.Join(params["config_directory"], "master.cf"))
	p := ReadPostfix(params, master, ReadTable)
	if err != nil {
		p.Skipped = append(p.Skipped, Skipped{"master.cf", err.Error()})
	}
	return p, nil
}

// postconf asks for expanded values; -x is there since Postfix 2.10 (2013).
func postconf(ctx context.Context) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, "postconf", append([]string{"-x"}, PostfixParameters...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("postconf -x: %w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, err
	}
	params := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(line, "="); ok {
			params[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return params, nil
}
