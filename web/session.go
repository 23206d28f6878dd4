package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Who knows web.token may act. The token is typed once; the cookie that comes of it
// holds a name, an end and a seal made with the token, never the token itself. So
// nothing is kept here, and a new token ends all sessions.

const (
	sessionCookie = "repwatch_session"
	saidCookie    = "repwatch_said"
	// sessionLasts is a working week: acting needs a person who is still there.
	sessionLasts = 7 * 24 * time.Hour
	maxName      = 64
)

// guesses are how often a token may be tried, by everybody together.
var guesses = struct {
	every rate.Limit
	burst int
}{rate.Every(2 * time.Second), 5}

// session is one person who may act.
type session struct {
	Name string
	CSRF string // what a form must bring along
}

// sessions opens and reads them.
type sessions struct {
	token  func() (string, error) // "": nobody may act
	prefix string
	limit  *rate.Limiter
	one    sync.Mutex
}

// key seals cookies; none without a token.
func (s *sessions) key() ([]byte, bool) {
	token, err := s.token()
	if err != nil || token == "" {
		return nil, false
	}
	sum := sha256.Sum256([]byte("repwatch page\x00" + token))
	return sum[:], true
}

// knows compares without telling by its time how much was right.
func (s *sessions) knows(guess string) bool {
	token, err := s.token()
	if err != nil || token == "" {
		return false
	}
	a, b := sha256.Sum256([]byte(guess)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// bearer reports that a request of a program brings the token. What is right costs
// nothing; what is wrong is a guess as on the page, and after too many of these none
// is looked at for a while.
func (s *sessions) bearer(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	s.one.Lock() // at a time, or many at once would be looked at for the price of one
	defer s.one.Unlock()
	if s.limit.Tokens() < 1 {
		return false
	}
	if s.knows(strings.TrimSpace(token)) {
		return true
	}
	s.limit.Allow()
	return false
}

func seal(key []byte, what, text string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(what + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// open makes the cookie of a new session.
func (s *sessions) open(name string, now time.Time, secure bool) (*http.Cookie, error) {
	key, ok := s.key()
	if !ok {
		return nil, errors.New("web.token is not set, or cannot be read")
	}
	nonce := make([]byte, 12)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	body := b64(nonce) + "." + b64([]byte(name)) + "." + strconv.FormatInt(now.Add(sessionLasts).Unix(), 10)
	return &http.Cookie{Name: sessionCookie, Value: body + "." + seal(key, "session", body), Path: s.prefix, MaxAge: int(sessionLasts.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}, nil
}

// of is the session that a request belongs to.
func (s *sessions) of(r *http.Request) (session, bool) {
	key, ok := s.key()
	c, err := r.Cookie(sessionCookie)
	if !ok || err != nil {
		return session{}, false
	}
	body, mac, _ := cutLast(c.Value, ".")
	if !hmac.Equal([]byte(mac), []byte(seal(key, "session", body))) {
		return session{}, false
	}
	parts := strings.Split(body, ".")
	if len(parts) != 3 {
		return session{}, false
	}
	until, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || time.Now().Unix() > until {
		return session{}, false
	}
	name, err := base64.RawURLEncoding.DecodeString(parts[1])
	return session{Name: string(name), CSRF: seal(key, "form", body)}, err == nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// meant reports that a form was filled in on our own page by who acts.
func (s session) meant(r *http.Request) bool {
	return s.CSRF != "" && hmac.Equal([]byte(r.PostFormValue("csrf")), []byte(s.CSRF))
}
