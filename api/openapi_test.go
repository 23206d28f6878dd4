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

	"repwatch/report"
)

// route is one path of /api/v1, as openapi.yaml tells of it.
type route struct {
	method, path, what string
	params             []param
	doc                any      // answered with 200; nil: something else, of these types
	media              []string // beside the document's
	body               string   // what POST takes, as a schema in flow style
	guarded            bool     // only who may act gets it
	tagged             bool     // it has an ETag though it is no document
}

// param is one of the query, of the path or a header.
type param struct{ name, what, schema string }

const (
	textSchema = "{type: string}"
	flagSchema = "{type: boolean}"
	timeSchema = "{type: string, format: date-time}"
)

// inPath are the parts of paths that are not just any text.
var inPath = map[string]param{
	"id":       {what: "its number, with or without #", schema: "{type: string, pattern: '^#?[0-9]+$'}"},
	"verb":     {what: "what is to be done", schema: "{type: string, enum: [ack, snooze, resolve, unrelated]}"},
	"subject":  {what: "an address or a domain", schema: textSchema},
	"partner":  {what: "as configured", schema: textSchema},
	"provider": {what: "its id, such as exchange-online", schema: textSchema},
	"list":     {what: "its id", schema: textSchema},
}

// ok is what healthz and readyz say.
type ok struct {
	OK bool `json:"ok"`
}

var (
	incidentParams = []param{{"open", "only open ones", flagSchema}, {"all", "those over long ago and merged ones too", flagSchema}, {"since", "over since then; default a week", timeSchema},
		{"limit", "so many at most; default all", "{type: integer, minimum: 1}"}, {"cursor", "continue after this incident, `next` of the page before", textSchema}}
	historyParams  = []param{{"subject", "IP, PARTNER, LIST, IP@LIST or IP>PARTNER; required", textSchema}, {"since", "from then on; default all", timeSchema}}
	timelineParams = []param{{"last", "until now; excludes from and to; default 7d", "{type: string, enum: [1d, 7d, 30d, 90d, 1y]}"}, {"from", "a day (UTC) or RFC 3339", textSchema}, {"to", "a day (to its end) or RFC 3339", textSchema},
		{"ip", "one address or domain", textSchema}, {"partner", "one partner or list", textSchema}}
	weekParam    = param{"week", "default the last whole week; excludes since", "{type: string, pattern: '^[0-9]{4}-W[0-9]{2}$', example: 2026-W46}"}
	reportParams = []param{weekParam, {"since", "instead of a week, from then on", timeSchema}, {"format", "default json", "{type: string, enum: [json, text, md, html, png]}"}}
	lastEvent    = []param{{"Last-Event-ID", "the latest record that is known: nothing is sent until there is a later one. EventSource does so by itself", "{type: integer}"}}
)

var routes = []route{
	{method: "get", path: "/status", what: "How everything stands: what is wrong, then how well we can tell.", doc: Status{}},
	{method: "get", path: "/incidents", what: "Incidents, the worst first, then those that are over, the latest first.", params: incidentParams, doc: Incidents{}},
	{method: "get", path: "/incidents/{id}", what: "One incident with its story.", doc: Story{}},
	{method: "get", path: "/incidents/{id}/evidence", what: "Its losses, with what the control is offered beside what we are.", doc: Evidence{}},
	{method: "get", path: "/history", what: "What a subject went through.", params: historyParams, doc: History{}},
	{method: "get", path: "/learned", what: "Which partner reacts to which list, and how forecasts turned out.", doc: Learned{}},
	{method: "get", path: "/ledger", what: "Which mail servers were visited.", params: []param{{"since", "from then on; default a day", timeSchema}}, doc: Ledger{}},
	{method: "get", path: "/lists", what: "The catalogue in use, with health.", doc: Lists{}},
	{method: "get", path: "/lists/{list}", what: "One list: how it stands, whom it lists.", doc: ListPage{}},
	{method: "get", path: "/subjects/{subject}", what: "One sending address or domain.", doc: Subject{}},
	{method: "get", path: "/partners/{partner}", what: "One partner.", doc: PartnerPage{}},
	{method: "get", path: "/providers/{provider}", what: "One provider and the partners it serves.", doc: ProviderPage{}},
	{method: "get", path: "/timeline", what: "Bad states over time.", params: timelineParams, doc: Timeline{}},
	{method: "get", path: "/report", what: "The weekly report; docs/report.md defines each number.", params: reportParams, doc: report.Report{}, media: []string{"text/plain", "text/markdown", "text/html", "image/png"}},
	{method: "post", path: "/report", what: "Send a week's report through the notifiers; of the last whole week where none is named.", doc: report.Sent{}, body: "{type: object, additionalProperties: false, properties: {week: {type: string}}}", guarded: true},
	{method: "get", path: "/events", what: "Server-sent events: `change` with the number of the latest record (also its id), at once and after every change. 503 with Retry-After when too many listen.", params: lastEvent, media: []string{"text/event-stream"}},
	{method: "get", path: "/openapi.yaml", what: "This description.", media: []string{"application/yaml"}, tagged: true},
	{method: "get", path: "/healthz", what: "The process answers.", doc: ok{}},
	{method: "get", path: "/readyz", what: "The store can be read and a look has told something since the start; 503 before that.", doc: ok{}},
	{method: "get", path: "/db/stats", what: "How large the store is and how fast it grows.", doc: Stats{}},
	{method: "get", path: "/db/backup", what: "A copy of the store. One that broke off has no proper end (chunked encoding).", media: []string{"application/octet-stream"}, guarded: true},
	{method: "get", path: "/db/dump", what: "The store as JSON lines.", params: []param{{"events", "the correlator's events alone", flagSchema}}, media: []string{"application/x-ndjson"}, guarded: true},
	{method: "post", path: "/incidents/{id}/{verb}", what: "Acknowledge, snooze, resolve, or say that it is unrelated to its cause.", doc: Acted{}, body: "{type: object, additionalProperties: false, properties: {by: {type: string}, reason: {type: string}, for: {type: string, description: 'snooze: 4h, 1d'}, to_end: {type: boolean, description: 'snooze until it is over'}}}", guarded: true},
	{method: "post", path: "/recheck", what: "Look at a subject now.", doc: Recheck{}, body: "{type: object, additionalProperties: false, required: [subject], properties: {subject: {type: string}}}", guarded: true},
	{method: "post", path: "/notify/test", what: "Send a test message through each notifier.", doc: Tests{}, body: "{type: object}", guarded: true},
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
    fields are only ever added within a version. GET answers with an ETag and honours If-None-Match;
    HEAD is GET without the body. What cannot be done is answered with {"error", "hint"}: 400 for a
    parameter that there is not or that makes no sense, 401 without the token and 403 where there is none, 404, 405 with Allow,
    409 for what the daemon refuses, 507 when the disk is full.
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
	fmt.Fprintf(b, "    %s:\n      operationId: %s\n      summary: %q\n", r.method, operationID(r), r.what)
	if r.guarded {
		fmt.Fprint(b, "      security:\n        - token: []\n")
	}
	fmt.Fprint(b, g.params(r))
	if r.body != "" {
		fmt.Fprintf(b, "      requestBody:\n        required: %t\n        content:\n          application/json:\n            schema: %s\n", strings.Contains(r.body, "required:"), r.body)
	}
	fmt.Fprint(b, "      responses:\n        '200':\n          description: It is so.\n")
	if r.isTagged() {
		fmt.Fprint(b, "          headers:\n            ETag: {schema: {type: string}, description: the same while nothing but the time of the document has changed}\n")
	}
	fmt.Fprint(b, "          content:\n")
	if r.doc != nil {
		fmt.Fprintf(b, "            application/json:\n              schema: %s\n", g.of(reflect.TypeOf(r.doc)))
	}
	for _, media := range r.media {
		fmt.Fprintf(b, "            %s:\n              schema: %s\n", media, mediaSchema(media))
	}
	if r.isTagged() {
		fmt.Fprint(b, "        '304':\n          description: Nothing has changed since the ETag that was sent.\n")
	}
	codes := []string{"'400'"}
	if r.guarded {
		codes = append(codes, "'401'", "'403'")
	}
	if strings.Contains(r.path, "{") {
		codes = append(codes, "'404'")
	}
	if r.method == "post" {
		codes = append(codes, "'409'")
	}
	for _, code := range append(codes, "default") {
		fmt.Fprintf(b, "        %s:\n          $ref: '#/components/responses/Problem'\n", code)
	}
}

// operationID names a route for who makes a client of the description: getDbStats, postIncidentsIdVerb.
func operationID(r route) string {
	id := r.method
	for part := range strings.FieldsFuncSeq(r.path, func(c rune) bool { return strings.ContainsRune("/{}.", c) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func mediaSchema(media string) string {
	if media == "image/png" || media == "application/octet-stream" {
		return "{type: string, format: binary}"
	}
	return textSchema
}

// isTagged: documents have a tag, but for what a probe asks.
func (r route) isTagged() bool {
	_, probe := r.doc.(ok)
	return r.tagged || r.method == "get" && r.doc != nil && !probe
}

func (g *describer) params(r route) string {
	var b strings.Builder
	add := func(p param, in string) {
		required := ""
		if in == "path" || strings.HasSuffix(p.what, "; required") {
			required = " required: true,"
		}
		fmt.Fprintf(&b, "        - {name: %s, in: %s,%s description: %q, schema: %s}\n", p.name, in, required, strings.TrimSuffix(p.what, "; required"), p.schema)
	}
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			p := inPath[strings.TrimSuffix(name, "}")]
			p.name = strings.TrimSuffix(name, "}")
			add(p, "path")
		}
	}
	for _, p := range r.params {
		add(p, map[bool]string{false: "query", true: "header"}[p.name == "Last-Event-ID"])
	}
	if r.isTagged() {
		add(param{"If-None-Match", "the ETag of what is there already", textSchema}, "header")
	}
	if b.Len() == 0 {
		return ""
	}
	return "      parameters:\n" + b.String()
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
			return "{type: object, nullable: true, allOf: [" + inner + "]}"
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
