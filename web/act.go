package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"repwatch/api"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// maxBody bounds what people send: a reason is a sentence.
const maxBody = 64 << 10

// Word is the body of an action.
type Word struct {
	By     string          `json:"by,omitempty"` // empty: the user at the other end of the socket
	Reason string          `json:"reason,omitempty"`
	For    config.Duration `json:"for,omitempty"`    // snooze
	ToEnd  bool            `json:"to_end,omitempty"` // snooze until it is over
}

// turnAway refuses who may not act: for want of the token where there is one (RFC 6750), for good where there is none.
func (h *handler) turnAway(w http.ResponseWriter) {
	if h.Config().Web.Token.Set() {
		w.Header().Set("WWW-Authenticate", `Bearer realm="repwatch"`)
		refuse(w, failed(http.StatusUnauthorized, errors.New("only who knows the token may do this\n  hint: send Authorization: Bearer TOKEN, that of web.token (after wrong ones wait ten seconds); or act through the socket (repwatch ack ID)")))
		return
	}
	refuse(w, failed(http.StatusForbidden, errors.New("this door is for reading only\n  hint: act through the socket (repwatch ack ID), or set web.token")))
}

// acting answers POST of those who may act.
func (h *handler) acting(act func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.MayAct(r) {
			h.turnAway(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		doc, err := act(r)
		if body, ok := encoded(w, doc, err); ok {
			send(w, http.StatusOK, body)
		}
	})
}

// read takes a JSON body; an empty one is the zero value, an unknown key a mistake.
func read(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return failed(http.StatusBadRequest, fmt.Errorf("the body is not as it should be: %w", err))
	}
	return nil
}

func (h *handler) act(r *http.Request) (any, error) {
	verb, ok := verbs[r.PathValue("verb")]
	if !ok {
		return nil, failed(http.StatusNotFound, fmt.Errorf("%q is nothing that can be done with an incident\n  hint: ack, snooze, resolve or unrelated", r.PathValue("verb")))
	}
	var word Word
	if err := read(r, &word); err != nil {
		return nil, err
	}
	a := incident.Action{Verb: verb, Incident: idOf(r), By: word.By, Reason: word.Reason, For: word.For.D(), ToEnd: word.ToEnd}
	if peer, local := PeerOf(r.Context()); a.By == "" && local {
		a.By = peer.Name()
	}
	if err := h.known(a.Incident); err != nil {
		return nil, err
	}
	id, err := h.Daemon.Act(r.Context(), a)
	if err != nil {
		return nil, senseless(err)
	}
	return api.ActedOf(now(), id, a), nil
}

// known refuses what is no incident at all; one that is over is the daemon's to refuse.
func (h *handler) known(id string) error {
	return h.DB.View(func(tx *store.Tx) error {
		_, ok, err := tx.Incidents().Get(id)
		if err == nil && !ok {
			err = failed(http.StatusNotFound, api.NoIncident(id))
		}
		return err
	})
}

// senseless: what the daemon refuses is the caller's to mend, trouble with the file is not.
func senseless(err error) error {
	if _, ours := errors.AsType[*store.Error](err); ours || errors.Is(err, context.Canceled) {
		return err
	}
	return failed(http.StatusConflict, err)
}

func (h *handler) recheck(r *http.Request) (any, error) {
	var body struct {
		Subject string `json:"subject"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if body.Subject == "" {
		return nil, failed(http.StatusBadRequest, errors.New("recheck what?\n  hint: {\"subject\": \"203.0.113.7\"}"))
	}
	looks, err := h.Daemon.Recheck(r.Context(), body.Subject)
	if err != nil {
		return nil, senseless(err)
	}
	return api.RecheckOf(now(), body.Subject, looks), nil
}

func (h *handler) testNotifiers(r *http.Request) (any, error) {
	return api.TestsOf(now(), h.Daemon.TestNotifiers(r.Context())), nil
}
