package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"repwatch/config"
	"repwatch/incident"
)

// loginView is the field for the token.
type loginView struct{ Wrong string }

func (p *Page) loginPage(*http.Request) (view, error) {
	if !p.h.Config().Web.Token.Set() {
		return view{}, failed(http.StatusForbidden, errors.New("this page is for reading only\n  hint: set web.token to act from here, or use repwatch ack ID on the host"))
	}
	return view{name: "login", Title: "Sign in to act", Data: loginView{}}, nil
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch name := nameOf(r.PostFormValue("name")); {
	case !p.doors.limit.Allow():
		w.Header().Set("Retry-After", "10")
		p.render(w, r, http.StatusTooManyRequests, view{name: "login", Title: "Sign in to act", Data: loginView{"Too many tries. Wait ten seconds."}})
	case !p.doors.knows(r.PostFormValue("token")):
		p.log.Warn("a wrong token was tried on the page", "from", r.RemoteAddr)
		p.render(w, r, http.StatusForbidden, view{name: "login", Title: "Sign in to act", Data: loginView{"That is not the token."}})
	case name == "":
		p.render(w, r, http.StatusBadRequest, view{name: "login", Title: "Sign in to act", Data: loginView{"Say who you are: it is told with what you do."}})
	default:
		secure := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
		cookie, err := p.doors.open(name, now(), secure)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		http.SetCookie(w, cookie)
		p.redirect(w, r, "/")
	}
}

// nameOf is a name as it may stand in a message: one line, no controls.
func nameOf(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) > maxName {
		text = strings.ToValidUTF8(text[:maxName], "")
	}
	return text
}

func (p *Page) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: p.doors.prefix, MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	p.redirect(w, r, "/")
}

// whoActs is the person behind a form, or an error that says why it is not taken.
func (p *Page) whoActs(w http.ResponseWriter, r *http.Request) (session, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s, ok := p.doors.of(r)
	switch {
	case !ok:
		return s, failed(http.StatusForbidden, errors.New("only who has signed in with the token may act\n  hint: sign in, then press the button again"))
	case !s.meant(r):
		return s, failed(http.StatusForbidden, errors.New("this form is not of your session\n  hint: load the page again, then press the button again"))
	}
	return s, nil
}

// act takes ack, snooze, resolve and unrelated from the form of an incident.
func (p *Page) act(w http.ResponseWriter, r *http.Request) {
	who, err := p.whoActs(w, r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	id := r.PathValue("id")
	verb, ok := verbs[r.PathValue("verb")]
	if !ok {
		p.fail(w, r, failed(http.StatusNotFound, fmt.Errorf("%q is nothing that can be done with an incident", r.PathValue("verb"))))
		return
	}
	a := incident.Action{Verb: verb, Incident: id, By: who.Name, Reason: nameOf(r.PostFormValue("reason"))}
	if verb == incident.Snooze {
		if a.For, a.ToEnd, err = howLong(r.PostFormValue("for")); err != nil {
			p.fail(w, r, err)
			return
		}
	}
	if err = p.h.known(id); err == nil {
		id, err = p.h.Daemon.Act(r.Context(), a)
		err = senselessOrNil(err)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.done(w, r, "Done: "+string(verb)+" #"+id, "/incidents/"+escape(id))
}

func senselessOrNil(err error) error {
	if err == nil {
		return nil
	}
	return senseless(err)
}

// howLong reads 4h, 24h or end.
func howLong(text string) (long time.Duration, toEnd bool, err error) {
	if text == "end" {
		return 0, true, nil
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil || d <= 0 {
		return 0, false, failed(http.StatusBadRequest, errors.New("say how long: 4h, 24h or end"))
	}
	return d.D(), false, nil
}

// recheck has a subject looked at now.
func (p *Page) recheck(w http.ResponseWriter, r *http.Request) {
	if _, err := p.whoActs(w, r); err != nil {
		p.fail(w, r, err)
		return
	}
	subject := r.PostFormValue("subject")
	looks, err := p.h.Daemon.Recheck(r.Context(), subject)
	if err != nil {
		p.fail(w, r, senseless(err))
		return
	}
	back := "/"
	if to := whereIs(p.h.Config(), subject); to != "" {
		back = to
	}
	p.done(w, r, "Looking now: "+strings.Join(looks, "; "), back)
}

// done goes back to what was acted on, and says so there once.
func (p *Page) done(w http.ResponseWriter, r *http.Request, said, to string) {
	const most = 400 // bytes, escaped: a cookie is small
	text := url.QueryEscape(said)
	if len(text) > most {
		text = url.QueryEscape(strings.ToValidUTF8(said[:min(len(said), most/3)], "") + " …")
	}
	http.SetCookie(w, &http.Cookie{Name: saidCookie, Value: text, Path: p.prefix + "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	p.redirect(w, r, to)
}
