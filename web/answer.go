package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"repwatch/api"
	"repwatch/store"
)

// failure is an error with the status that says who must act.
type failure struct {
	code int
	error
}

func (f failure) Unwrap() error { return f.error }

func failed(code int, err error) error { return failure{code, err} }

// document answers GET with a document and its hash, so that who asks often is
// told briefly that nothing changed.
func document(build func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doc, err := build(r)
		if err != nil {
			refuse(w, err)
			return
		}
		body, err := encode(doc)
		if err != nil {
			refuse(w, err)
			return
		}
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256(withoutAt(body)))
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		if matches(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		send(w, http.StatusOK, body)
	})
}

// withoutAt leaves out the line that says when the document was built: it alone is no change.
func withoutAt(body []byte) []byte {
	const at = "\n  \"at\": "
	from := bytes.Index(body, []byte(at))
	if from < 0 {
		return body
	}
	line := bytes.IndexByte(body[from+1:], '\n')
	return bytes.Join([][]byte{body[:from], body[from+1+line:]}, nil)
}

// matches compares as If-None-Match does (RFC 9110 section 13.1.2: weakly).
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || candidate == tag {
			return true
		}
	}
	return false
}

func encode(doc any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(doc)
	return b.Bytes(), err
}

func send(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body) // who asked has gone; there is nobody to tell
}

// refuse answers with an error in words.
func refuse(w http.ResponseWriter, err error) {
	body, encodeErr := encode(api.ProblemOf(err))
	if encodeErr != nil {
		http.Error(w, encodeErr.Error(), http.StatusInternalServerError)
		return
	}
	send(w, codeOf(err), body)
}

func codeOf(err error) int {
	var f failure
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, store.ErrFull):
		return http.StatusInsufficientStorage
	default:
		return http.StatusInternalServerError
	}
}
