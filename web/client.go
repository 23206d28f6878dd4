package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"repwatch/api"
	"repwatch/config"
	"repwatch/incident"
)

// What keeps a client from the daemon, for errors.Is.
var (
	// ErrNoDaemon: nobody answers at the socket.
	ErrNoDaemon = errors.New("no daemon answers")
	// ErrDenied: the socket is there, but not for this user.
	ErrDenied = errors.New("the socket is not for this user")
)

// dialTimeout is generous: a unix socket answers at once, or its daemon hangs.
const dialTimeout = 5 * time.Second

// Client asks the daemon. It is safe for concurrent use.
type Client struct {
	path string
	http *http.Client
}

// Dial finds out whether a daemon answers at the socket: ErrNoDaemon where there
// is none, ErrDenied where it may not be asked.
func Dial(path string) (*Client, error) {
	c, err := net.DialTimeout("unix", path, dialTimeout)
	switch {
	case err == nil:
		c.Close()
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %s\n  hint: become a member of its group (ls -l %s), or use sudo", ErrDenied, path, path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%w at %s", ErrNoDaemon, path)
	default:
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Refused is what the daemon answered instead of what was asked for.
type Refused struct {
	Code int // HTTP
	api.Problem
}

func (e *Refused) Error() string {
	if e.Hint == "" {
		return e.Problem.Error
	}
	return e.Problem.Error + "\n  hint: " + e.Hint
}

// Status is how everything stands.
func (c *Client) Status(ctx context.Context) (doc api.Status, err error) {
	return doc, c.get(ctx, "status", nil, &doc)
}

// Incidents are those that the filter wants.
func (c *Client) Incidents(ctx context.Context, f api.IncidentFilter) (doc api.Incidents, err error) {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	flag := map[bool]string{true: "1"}
	set("open", flag[f.OpenOnly])
	set("all", flag[f.All])
	set("cursor", f.Cursor)
	if !f.Since.IsZero() {
		set("since", f.Since.UTC().Format(time.RFC3339))
	}
	if f.Limit > 0 {
		set("limit", strconv.Itoa(f.Limit))
	}
	return doc, c.get(ctx, "incidents", q, &doc)
}

// Incident is one with its whole story.
func (c *Client) Incident(ctx context.Context, id string) (doc api.Story, err error) {
	return doc, c.get(ctx, "incidents/"+url.PathEscape(id), nil, &doc)
}

// History is what a subject went through; a zero since asks for all of it.
func (c *Client) History(ctx context.Context, subject string, since time.Time) (doc api.History, err error) {
	q := sinceQuery(since)
	q.Set("subject", subject)
	return doc, c.get(ctx, "history", q, &doc)
}

// Learned is what the correlator believes.
func (c *Client) Learned(ctx context.Context) (doc api.Learned, err error) {
	return doc, c.get(ctx, "learned", nil, &doc)
}

// Ledger is which mail servers were visited.
func (c *Client) Ledger(ctx context.Context, since time.Time) (doc api.Ledger, err error) {
	return doc, c.get(ctx, "ledger", sinceQuery(since), &doc)
}

// Lists is the catalogue in use, with the health that the last sweep found.
func (c *Client) Lists(ctx context.Context) (doc api.Lists, err error) {
	return doc, c.get(ctx, "lists", nil, &doc)
}

// Stats describes the store's file.
func (c *Client) Stats(ctx context.Context) (doc api.Stats, err error) {
	return doc, c.get(ctx, "db/stats", nil, &doc)
}

func sinceQuery(since time.Time) url.Values {
	q := url.Values{}
	if !since.IsZero() {
		q.Set("since", since.UTC().Format(time.RFC3339))
	}
	return q
}

// Act does something with an incident. An empty By is filled in by the daemon.
func (c *Client) Act(ctx context.Context, a incident.Action) (doc api.Acted, err error) {
	verb := string(a.Verb)
	return doc, c.post(ctx, "incidents/"+url.PathEscape(a.Incident)+"/"+verb, Word{By: a.By, Reason: a.Reason, For: config.Duration(a.For), ToEnd: a.ToEnd}, &doc)
}

// Recheck has a subject looked at now.
func (c *Client) Recheck(ctx context.Context, subject string) (doc api.Recheck, err error) {
	return doc, c.post(ctx, "recheck", map[string]string{"subject": subject}, &doc)
}

// TestNotifiers sends a test message through each notifier.
func (c *Client) TestNotifiers(ctx context.Context) (doc api.Tests, err error) {
	return doc, c.post(ctx, "notify/test", struct{}{}, &doc)
}

// Backup writes a copy of the store. A copy that broke off is an error.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.stream(ctx, "db/backup", nil, w)
}

// Dump writes the store, or the correlator's events alone, as JSON lines.
func (c *Client) Dump(ctx context.Context, events bool, w io.Writer) error {
	q := url.Values{}
	if events {
		q.Set("events", "1")
	}
	return c.stream(ctx, "db/dump", q, w)
}

func (c *Client) get(ctx context.Context, path string, q url.Values, doc any) error {
	var b bytes.Buffer
	if err := c.stream(ctx, path, q, &b); err != nil {
		return err
	}
	return c.decode(b.Bytes(), doc)
}

func (c *Client) stream(ctx context.Context, path string, q url.Values, w io.Writer) error {
	return c.do(ctx, http.MethodGet, path+"?"+q.Encode(), nil, w)
}

func (c *Client) post(ctx context.Context, path string, body, doc any) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := c.do(ctx, http.MethodPost, path, bytes.NewReader(sent), &b); err != nil {
		return err
	}
	return c.decode(b.Bytes(), doc)
}

func (c *Client) decode(body []byte, doc any) error {
	if err := json.Unmarshal(body, doc); err != nil {
		return fmt.Errorf("the daemon at %s answered what this repwatch does not understand: %w\n  hint: are both of one version? repwatch status says the daemon's", c.path, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://repwatch/api/v1/"+strings.TrimSuffix(path, "?"), body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.lost(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		refused := &Refused{Code: res.StatusCode}
		if err := json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&refused.Problem); err != nil || refused.Problem.Error == "" {
			refused.Problem = api.Problem{Error: "the daemon answered " + res.Status}
		}
		return refused
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return c.lost(ctx, err)
	}
	return nil
}

func (c *Client) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the daemon at %s broke off: %w", c.path, err)
}
