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
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return get[api.Status](ctx, c, "status", nil)
}

// Incidents are those that the filter wants.
func (c *Client) Incidents(ctx context.Context, f api.IncidentFilter) (api.Incidents, error) {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	flag := map[bool]string{true: "true"}
	set("open", flag[f.OpenOnly])
	set("all", flag[f.All])
	set("cursor", f.Cursor)
	if !f.Since.IsZero() {
		set("since", f.Since.UTC().Format(time.RFC3339))
	}
	if f.Limit > 0 {
		set("limit", strconv.Itoa(f.Limit))
	}
	return get[api.Incidents](ctx, c, "incidents", q)
}

// Incident is one with its whole story.
func (c *Client) Incident(ctx context.Context, id string) (api.Story, error) {
	return get[api.Story](ctx, c, "incidents/"+url.PathEscape(id), nil)
}

// History is what a subject went through; a zero since asks for all of it.
func (c *Client) History(ctx context.Context, subject string, since time.Time) (api.History, error) {
	q := sinceQuery(since)
	q.Set("subject", subject)
	return get[api.History](ctx, c, "history", q)
}

// Learned is what the correlator believes.
func (c *Client) Learned(ctx context.Context) (api.Learned, error) {
	return get[api.Learned](ctx, c, "learned", nil)
}

// Ledger is which mail servers were visited.
func (c *Client) Ledger(ctx context.Context, since time.Time) (api.Ledger, error) {
	return get[api.Ledger](ctx, c, "ledger", sinceQuery(since))
}

// Lists is the catalogue in use, with the health that the last sweep found.
func (c *Client) Lists(ctx context.Context) (api.Lists, error) {
	return get[api.Lists](ctx, c, "lists", nil)
}

// Stats describes the store's file.
func (c *Client) Stats(ctx context.Context) (api.Stats, error) {
	return get[api.Stats](ctx, c, "db/stats", nil)
}

func sinceQuery(since time.Time) url.Values {
	q := url.Values{}
	if !since.IsZero() {
		q.Set("since", since.UTC().Format(time.RFC3339))
	}
	return q
}

// Act does something with an incident. An empty By is filled in by the daemon.
func (c *Client) Act(ctx context.Context, a incident.Action) (api.Acted, error) {
	word := Word{By: a.By, Reason: a.Reason, For: config.Duration(a.For), ToEnd: a.ToEnd}
	return post[api.Acted](ctx, c, "incidents/"+url.PathEscape(a.Incident)+"/"+string(a.Verb), word)
}

// Recheck has a subject looked at now.
func (c *Client) Recheck(ctx context.Context, subject string) (api.Recheck, error) {
	return post[api.Recheck](ctx, c, "recheck", map[string]string{"subject": subject})
}

// TestNotifiers sends a test message through each notifier.
func (c *Client) TestNotifiers(ctx context.Context) (api.Tests, error) {
	return post[api.Tests](ctx, c, "notify/test", struct{}{})
}

// Backup writes a copy of the store. A copy that broke off is an error.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.stream(ctx, "db/backup", nil, w)
}

// Dump writes the store, or the correlator's events alone, as JSON lines.
func (c *Client) Dump(ctx context.Context, events bool, w io.Writer) error {
	q := url.Values{}
	if events {
		q.Set("events", "true")
	}
	return c.stream(ctx, "db/dump", q, w)
}

func get[D any](ctx context.Context, c *Client, path string, q url.Values) (doc D, err error) {
	var b bytes.Buffer
	if err := c.stream(ctx, path, q, &b); err != nil {
		return doc, err
	}
	return decode[D](c, b.Bytes())
}

func (c *Client) stream(ctx context.Context, path string, q url.Values, w io.Writer) error {
	return c.do(ctx, http.MethodGet, path+"?"+q.Encode(), nil, w)
}

func post[D any](ctx context.Context, c *Client, path string, body any) (doc D, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return doc, err
	}
	var b bytes.Buffer
	if err := c.do(ctx, http.MethodPost, path, bytes.NewReader(sent), &b); err != nil {
		return doc, err
	}
	return decode[D](c, b.Bytes())
}

// decode reads an answer. Fields that it does not know are a newer daemon's: they do no harm.
func decode[D any](c *Client, body []byte) (doc D, err error) {
	if err := json.Unmarshal(body, &doc); err != nil {
		return doc, fmt.Errorf("the daemon at %s answered what this repwatch does not understand: %w\n  hint: are both of one version? repwatch status says the daemon's", c.path, err)
	}
	return doc, nil
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
