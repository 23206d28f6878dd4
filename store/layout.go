package store

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Buckets. docs/store.md documents each; a test holds it to this table.
const (
	bucketMeta      = "meta"
	bucketListings  = "listings"
	bucketLists     = "lists"
	bucketSubjects  = "subjects"
	bucketWire      = "wire"
	bucketFaults    = "faults"
	bucketForecasts = "forecasts"
	bucketBudgets   = "budgets"
	bucketSettings  = "settings"
	bucketNotifiers = "notifiers"

	bucketIncidents     = "incidents"
	bucketIncidentsOpen = "incidents.open"
	bucketMessages      = "messages"
	bucketTold          = "told"
	bucketHandles       = "handles"
	bucketOutbox        = "outbox"

	bucketEpisodes     = "episodes"
	bucketEpisodesOpen = "episodes.open"
	bucketEpisodesOf   = "episodes.of"

	bucketJournal   = "journal"
	bucketJournalOf = "journal.of"
	bucketNames     = "names"
	bucketNamesBy   = "names.by"
	bucketTexts     = "texts"
	bucketTextsBy   = "texts.by"

	bucketLedger = "ledger"
)

// layout is a bucket as people are to see it (db dump, messages about damage).
type layout struct {
	name  string
	key   func([]byte) string
	value func([]byte) json.RawMessage
	grows bool // keys only ever come at the end
}

var layouts = []layout{
	{bucketMeta, showText, showJSON, false},
	{bucketListings, showText, showJSON, false},
	{bucketLists, showText, showJSON, false},
	{bucketSubjects, showText, showJSON, false},
	{bucketWire, showText, showJSON, false},
	{bucketFaults, showText, showJSON, false},
	{bucketForecasts, showText, showJSON, false},
	{bucketBudgets, showText, showJSON, false},
	{bucketSettings, showText, showJSON, false},
	{bucketNotifiers, showText, showJSON, false},
	{bucketIncidents, showIncident, showJSON, true},
	{bucketIncidentsOpen, showIncident, showNothing, false},
	{bucketMessages, showIncident, showJSON, true},
	{bucketTold, showIncident, showJSON, false},
	{bucketHandles, showText, showJSON, false},
	{bucketOutbox, showTextNumber, showJSON, false},
	{bucketEpisodes, showNumbers, showJSON, true},
	{bucketEpisodesOpen, showNumbers, showNothing, false},
	{bucketEpisodesOf, showNumbers, showNothing, false},
	{bucketJournal, showNumbers, showJSON, true},
	{bucketJournalOf, showNumbers, showNothing, false},
	{bucketNames, showNumbers, showString, true},
	{bucketNamesBy, showText, showNumber, false},
	{bucketTexts, showNumbers, showJSON, true},
	{bucketTextsBy, hex.EncodeToString, showNumber, false},
	{bucketLedger, showSession, showJSON, true},
}

// growing names the buckets whose keys only ever come at the end.
var growing = func() map[string]bool {
	m := map[string]bool{}
	for _, l := range layouts {
		m[l.name] = l.grows
	}
	return m
}()

func layoutOf(name string) layout {
	for _, l := range layouts {
		if l.name == name {
			return l
		}
	}
	return layout{name: name, key: hex.EncodeToString, value: showJSON} // of another repwatch
}

// showKey is a key as people are to see it.
func showKey(bucket string, key []byte) string { return layoutOf(bucket).key(key) }

func showText(k []byte) string { return strings.ReplaceAll(string(k), sep, "/") }

func showIncident(k []byte) string {
	id, err := incidentKeys.decode(k)
	if err != nil {
		return hex.EncodeToString(k)
	}
	return id
}

// showNumbers shows one number or several, as 12 or 12/34.
func showNumbers(k []byte) string {
	if len(k) == 0 || len(k)%8 != 0 {
		return hex.EncodeToString(k)
	}
	var parts []string
	for ; len(k) > 0; k = k[8:] {
		n, _ := numberKeys.decode(k[:8])
		parts = append(parts, strconv.FormatUint(n, 10))
	}
	return strings.Join(parts, "/")
}

func showTextNumber(k []byte) string {
	text, n, err := numberAfter(k)
	if err != nil {
		return hex.EncodeToString(k)
	}
	return fmt.Sprintf("%s%d", showText(text), n)
}

func showSession(k []byte) string {
	if len(k) != 12 {
		return hex.EncodeToString(k)
	}
	n, _ := numberKeys.decode(k[:8])
	return fmt.Sprintf("%d/%x", n, k[8:])
}

func showJSON(v []byte) json.RawMessage {
	if !json.Valid(v) {
		return showString(v)
	}
	return json.RawMessage(v)
}

func showString(v []byte) json.RawMessage {
	raw, _ := json.Marshal(string(v)) // a string always marshals
	return raw
}

func showNumber(v []byte) json.RawMessage { return json.RawMessage(strconv.Quote(showNumbers(v))) }

func showNothing(v []byte) json.RawMessage {
	if len(v) == 0 {
		return json.RawMessage("null")
	}
	return showString(v)
}
