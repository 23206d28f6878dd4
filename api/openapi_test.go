package api

import (
	"bytes"
	"encoding"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// route is one path of /api/v1, as openapi.yaml tells of it.
type route struct {
	method, path, what string
	params             []string // of the query: "name: what it does"
	doc                any      // answered with 200; nil: a stream of another type
	media              string   // of the stream
	body               string   // what POST takes, as a schema in flow style
	guarded            bool     // only who may act gets it
}

var routes = []route{
	{"get", "/status", "How everything stands: what is wrong, then how well we can tell.", nil, Status{}, "", "", false},
	{"get", "/incidents", "Incidents, the worst first, then those that are over, the latest first.", []string{"open: only open ones", "all: those over long ago and merged ones too", "since: over since then (RFC 3339)", "limit: so many at most", "cursor: continue after this incident, `next` of the page before"}, Incidents{}, "", "", false},
	{"get", "/incidents/{id}", "One incident with its story.", nil, Story{}, "", "", false},
	{"get", "/incidents/{id}/evidence", "Its losses, with what the control is offered beside what we are.", nil, Evidence{}, "", "", false},
	{"get", "/history", "What a subject went through.", []string{"subject: IP, PARTNER, LIST, IP@LIST or IP>PARTNER", "since: from then on (RFC 3339)"}, History{}, "", "", false},
	{"get", "/learned", "Which partner reacts to which list, and how forecasts turned out.", nil, Learned{}, "", "", false},
	{"get", "/ledger", "Which mail servers were visited.", []string{"since: from then on (RFC 3339); default a day"}, Ledger{}, "", "", false},
	{"get", "/lists", "The catalogue in use, with health.", nil, Lists{}, "", "", false},
	{"get", "/lists/{list}", "One list: how it stands, whom it lists.", nil, ListPage{}, "", "", false},
	{"get", "/subjects/{subject}", "One sending address or domain.", nil, Subject{}, "", "", false},
	{"get", "/partners/{partner}", "One partner.", nil, PartnerPage{}, "", "", false},
	{"get", "/providers/{provider}", "One provider and the partners it serves.", nil, ProviderPage{}, "", "", false},
	{"get", "/timeline", "Bad states over time.", []string{"last: 1d, 7d, 30d, 90d or 1y until now", "from: a day or RFC 3339", "to: a day or RFC 3339", "ip: one address or domain", "partner: one partner or list"}, Timeline{}, "", "", false},
	{"get", "/report", "The weekly report; docs/report.md defines each number.", []string{"week: 2026-W46; default the last whole week", "since: instead of a week, from then on (RFC 3339)"}, nil, "application/json", "", false},
	{"post", "/report", "Send a week's report through the notifiers.", nil, nil, "application/json", "{type: object, additionalProperties: false, properties: {week: {type: string}}}", true},
	{"get", "/events", "Server-sent events: `change` with the number of the latest record, at once and after every change.", nil, nil, "text/event-stream", "", false},
	{"get", "/openapi.yaml", "This description.", nil, nil, "application/yaml", "", false},
	{"get", "/healthz", "The process answers.", nil, nil, "application/json", "", false},
	{"get", "/readyz", "The store can be read and a look has told something since the start; 503 before that.", nil, nil, "application/json", "", false},
	{"get", "/db/stats", "How large the store is and how fast it grows.", nil, Stats{}, "", "", false},
	{"get", "/db/backup", "A copy of the store.", nil, nil, "application/octet-stream", "", true},
	{"get", "/db/dump", "The store as JSON lines.", []string{"events: the correlator's events alone"}, nil, "application/x-ndjson", "", true},
	{"post", "/incidents/{id}/{verb}", "ack, snooze, resolve or unrelated.", nil, Acted{}, "", "{type: object, additionalProperties: false, properties: {by: {type: string}, reason: {type: string}, for: {type: string, description: 'snooze: 4h, 1d'}, to_end: {type: boolean, description: 'snooze until it is over'}}}", true},
	{"post", "/recheck", "Look at a subject now.", nil, Recheck{}, "", "{type: object, additionalProperties: false, required: [subject], properties: {subject: {type: string}}}", true},
	{"post", "/notify/test", "Send a test message through each notifier.", nil, Tests{}, "", "{type: object}", true},
}

// TestOpenAPI: openapi.yaml says what the types say. OPENAPI_UPDATE=1 writes it.
func TestOpenAPI(t *testing.T) {
	g := &describer{schemas: map[string]string{}}
	var b bytes.Buffer
	fmt.Fprint(&b, openAPIHead)
	byPath := map[string][]route{}
	var order []string
	for _, r := range routes {
		if byPath[r.path] == nil {
			order = append(order, r.path)
		}
		byPath[r.path] = append(byPath[r.path], r)
	}
	for _, path := range order {
		fmt.Fprintf(&b, "  %s:\n", path)
		for _, r := range byPath[path] {
			g.route(&b, r)
		}
	}
	fmt.Fprint(&b, openAPITail)
	for _, name := range slices.Sorted(maps.Keys(g.schemas)) {
		fmt.Fprintf(&b, "    %s:\n%s", name, g.schemas[name])
	}
	if os.Getenv("OPENAPI_UPDATE") != "" {
		if err := os.WriteFile("openapi.yaml", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b.Bytes(), OpenAPI) {
		t.Error("openapi.yaml does not say what the documents are: OPENAPI_UPDATE=1 go test ./api -run TestOpenAPI writes it")
	}
}

const openAPIHead = `# Written by TestOpenAPI from the types of package api.
openapi: 3.0.3
info:
  title: repwatch
  version: v1
  description: >-
    What repwatch knows, as JSON: over the unix socket, and read-only over web.listen. Documents carry
    "schema": "repwatch/NAME/v1"; times are RFC 3339 in UTC, absent ones null; arrays are never null;
    fields are only ever added within a version. GET answers with an ETag and honours If-None-Match.
servers:
  - url: /api/v1
security:
  - {}
  - token: []
paths:
`

const openAPITail = `components:
  securitySchemes:
    token:
      type: http
      scheme: bearer
      description: web.token; not needed over the unix socket
  responses:
    Problem:
      description: It cannot be done, and why.
      content:
        application/json:
          schema:
            $ref: '#/components/schemas/Problem'
  schemas:
    Problem:
      type: object
      required: [error, hint]
      properties:
        error: {type: string}
        hint: {type: string}
`

// describer turns types into schemas.
type describer struct{ schemas map[string]string }

func (g *describer) route(b *bytes.Buffer, r route) {
	fmt.Fprintf(b, "    %s:\n      summary: %q\n", r.method, r.what)
	if r.guarded {
		fmt.Fprint(b, "      security:\n        - token: []\n")
	}
	var params []string
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, fmt.Sprintf("        - {name: %s, in: path, required: true, schema: {type: string}}\n", strings.TrimSuffix(name, "}")))
		}
	}
	for _, p := range r.params {
		name, what, _ := strings.Cut(p, ": ")
		params = append(params, fmt.Sprintf("        - {name: %s, in: query, description: %q, schema: {type: string}}\n", name, what))
	}
	if len(params) > 0 {
		fmt.Fprintf(b, "      parameters:\n%s", strings.Join(params, ""))
	}
	if r.body != "" {
		fmt.Fprintf(b, "      requestBody:\n        content:\n          application/json:\n            schema: %s\n", r.body)
	}
	fmt.Fprint(b, "      responses:\n        '200':\n          description: It is so.\n          content:\n")
	if r.doc == nil {
		fmt.Fprintf(b, "            %s: {}\n", r.media)
	} else {
		fmt.Fprintf(b, "            application/json:\n              schema: %s\n", g.of(reflect.TypeOf(r.doc)))
	}
	if r.method == "get" && r.doc != nil {
		fmt.Fprint(b, "        '304':\n          description: Nothing has changed since the ETag that was sent.\n")
	}
	fmt.Fprint(b, "        default:\n          $ref: '#/components/responses/Problem'\n")
}

var (
	timeType = reflect.TypeFor[time.Time]()
	textType = reflect.TypeFor[encoding.TextMarshaler]()
)

// of is the schema of a type, in flow style; structs are named and referred to.
func (g *describer) of(t reflect.Type) string {
	switch {
	case t == timeType:
		return "{type: string, format: date-time}"
	case t.Kind() == reflect.Pointer:
		inner := g.of(t.Elem())
		if strings.HasPrefix(inner, "{$ref") {
			return "{nullable: true, allOf: [" + inner + "]}"
		}
		return strings.TrimSuffix(inner, "}") + ", nullable: true}"
	case t.Implements(textType):
		return "{type: string}"
	}
	switch t.Kind() {
	case reflect.String:
		return "{type: string}"
	case reflect.Bool:
		return "{type: boolean}"
	case reflect.Float64:
		return "{type: number}"
	case reflect.Slice:
		return "{type: array, items: " + g.of(t.Elem()) + "}"
	case reflect.Map:
		return "{type: object, additionalProperties: " + g.of(t.Elem()) + "}"
	case reflect.Struct:
		g.object(t)
		return "{$ref: '#/components/schemas/" + schemaName(t) + "'}"
	case reflect.Interface:
		return "{}"
	default:
		return "{type: integer}"
	}
}

// schemaName keeps types of one name in two packages apart.
func schemaName(t reflect.Type) string {
	pkg := t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
	if pkg == "api" {
		return t.Name()
	}
	return strings.ToUpper(pkg[:1]) + pkg[1:] + t.Name()
}

func (g *describer) object(t reflect.Type) {
	name := schemaName(t)
	if _, ok := g.schemas[name]; ok {
		return
	}
	g.schemas[name] = "" // it may refer to itself
	var required, properties []string
	g.fields(t, &required, &properties)
	g.schemas[name] = fmt.Sprintf("      type: object\n      required: [%s]\n      properties:\n%s", strings.Join(required, ", "), strings.Join(properties, ""))
	if len(required) == 0 {
		g.schemas[name] = fmt.Sprintf("      type: object\n      properties:\n%s", strings.Join(properties, ""))
	}
}

func (g *describer) fields(t reflect.Type, required, properties *[]string) {
	for f := range fieldsOf(t) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			g.fields(f.Type, required, properties)
			continue
		}
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if !strings.Contains(opts, "omit") {
			*required = append(*required, name)
		}
		*properties = append(*properties, fmt.Sprintf("        %s: %s\n", name, g.of(f.Type)))
	}
}

func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
