package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

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

// question is what GET may be asked, and who answers.
type question struct {
	params []string // of the query
	answer func(*http.Request) (any, error)
}

// document answers GET with a document and its hash, so that who asks often is
// told briefly that nothing changed.
func document(q question) http.Handler {
	return asked(q.params, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doc, err := q.answer(r)
		if body, ok := encoded(w, doc, err); ok && !unchanged(w, r, tagOf(body)) {
			send(w, http.StatusOK, body)
		}
	}))
}

// encoded is the text of a document; not ok: there is none, and who asked was told why.
func encoded(w http.ResponseWriter, doc any, err error) (body []byte, ok bool) {
	if err == nil {
		body, err = encode(doc)
	}
	if err != nil {
		refuse(w, err)
	}
	return body, err == nil
}

// tagOf is weak (RFC 9110 section 8.8.1): documents of one tag differ in when they were built.
func tagOf(body []byte) string { return fmt.Sprintf(`W/"%x"`, sha256.Sum256(withoutAt(body))) }

// unchanged answers who has it already.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if !matches(r.Header.Get("If-None-Match"), tag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
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
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(tag, "W/") {
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

func send(w http.ResponseWriter, code int, body []byte) { sendAs(w, code, "application/json", body) }

// sendAs gives who reads it so much time, from now on: notifiers may take minutes to fail
// before there is an answer. What is not taken by then is not kept.
func sendAs(w http.ResponseWriter, code int, media string, body []byte) {
	hurry(w)
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body) // who asked has gone; there is nobody to tell
}

// slowest is how long a reader may leave us waiting with something to write.
const slowest = 30 * time.Second

// hurry gives the next write its deadline. What has none, such as a recorder in a test, needs none.
func hurry(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slowest))
}

// hurried is for what is written in many parts: each has its deadline.
type hurried struct{ w http.ResponseWriter }

func (h hurried) Write(b []byte) (int, error) {
	hurry(h.w)
	return h.w.Write(b)
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
