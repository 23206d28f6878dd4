package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
)

// everyRecord has every field that a record can have.
func everyRecord() []incident.Record {
	s := listing("203.0.113.7", "xbl")
	b := reputation.Bracket{After: t0.Add(-90 * time.Second), By: t0.Add(123456789)}
	return []incident.Record{
		{What: incident.Listed, Subject: s, Bracket: b, FirstSight: true, Listing: listingOf(s), Episode: 7},
		{What: incident.Relisted, Subject: s, Bracket: reputation.Bracket{By: t0}, Listing: &reputation.Listing{Reason: "a NUL \x00 203.0.113.7", Class: reputation.ClassPolicy}},
		{What: incident.Delisted, Subject: s, Bracket: b, Episode: 7},
		{What: incident.Listed, Subject: listing("203.0.113.70", "xbl"), Listing: &reputation.Listing{Reason: "203.0.113.7, 203.0.113.70", DelistHow: "by hand", Untested: true}},
		{What: incident.Lost, Subject: wireOf("203.0.113.7", "contoso.com"), Wire: &incident.Wire{Loss: smtp.LossMasked, Offers: []string{"SIZE"}, Reply: `250 "x" <é>`, Looks: 2}},
		{What: incident.Faulty, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "port25"}, Fault: &incident.Fault{ID: "port25", What: "closed", Impact: reputation.Critical}},
		{What: incident.Suspended, Subject: reputation.Subject{Kind: reputation.KindListing, Target: "xbl"}, Words: "lists the world"},
		{What: incident.Replied, Subject: wireOf("203.0.113.7", "contoso.com"), List: "xbl", Policy: "dmarc"},
		{What: incident.Unrelated, Subject: wireOf("203.0.113.7", "contoso.com"), Of: 5, List: "xbl", Who: "anna"},
		{What: incident.Acted, Incident: "12", Who: "anna", Words: "acknowledged"},
		{What: "a word with \"quotes\" of later days"},
	}
}

func TestRecordsComeBack(t *testing.T) {
	db := openTemp(t)
	in := everyRecord()
	update(t, db, t0.Add(5), func(tx *Tx) error {
		for i := range in {
			r, err := tx.Append(in[i])
			if err != nil {
				return err
			}
			if r.Seq != uint64(i+1) || !r.At.Equal(t0.Add(5)) {
				t.Errorf("record %d was appended as %d at %s", i+1, r.Seq, r.At)
			}
			in[i] = r
		}
		return nil
	})
	for range 2 { // read, and remembered
		view(t, db, func(tx *Tx) error {
			for _, r := range in {
				got, ok, err := tx.Record(r.Seq)
				if d := cmp.Diff(r, got, same...); err != nil || !ok || d != "" {
					t.Errorf("record %d: %v (-want +got):\n%s", r.Seq, err, d)
				}
			}
			return nil
		})
	}
}

// What was read cannot be changed for the next who reads it.
func TestRecordsAreTheReadersOwn(t *testing.T) {
	db := openTemp(t)
	update(t, db, t0, func(tx *Tx) error {
		_, err := tx.Append(everyRecord()[0])
		return err
	})
	for range 3 {
		view(t, db, func(tx *Tx) error {
			r, _, err := tx.Record(1)
			if err != nil || r.Listing.Codes[0] != "127.0.0.4" || r.Listing.Meaning[0] != "exploited host" {
				t.Errorf("read %+v, %v", r.Listing, err)
			}
			r.Listing.Codes[0], r.Listing.Meaning[0] = "spoilt", "spoilt"
			return nil
		})
	}
}

// A number given in a transaction that was rolled back is given again, to something else.
func TestRolledBackNamesAreForgotten(t *testing.T) {
	db := openTemp(t)
	for _, list := range []string{"xbl", "zen"} {
		update(t, db, t0, func(tx *Tx) error {
			s := listing("203.0.113.7", list)
			r, err := tx.Append(incident.Record{What: incident.Listed, Subject: s, Listing: &reputation.Listing{Name: list}})
			if err != nil {
				return err
			}
			if got, _, err := tx.Record(r.Seq); err != nil || got.Subject != s || got.Listing.Name != list {
				t.Errorf("%s reads as %+v, %v", s, got, err)
			}
			if list == "xbl" {
				return errDiscard
			}
			return nil
		})
	}
	view(t, db, func(tx *Tx) error {
		if r, _, err := tx.Record(1); err != nil || r.Subject.Target != "zen" || r.Listing.Name != "zen" {
			t.Errorf("reads as %+v, %v", r, err)
		}
		return nil
	})
}

// A clock that is set back does not take the journal along.
func TestTimeNeverGoesBack(t *testing.T) {
	db := openTemp(t)
	for i, at := range []time.Time{t0, t0.Add(time.Hour), t0.Add(-24 * time.Hour), t0.Add(30 * time.Minute), t0.Add(2 * time.Hour)} {
		update(t, db, at, func(tx *Tx) error {
			r, err := tx.Append(incident.Record{What: incident.Acted, Incident: "1"})
			if want := []time.Time{t0, t0.Add(time.Hour), t0.Add(time.Hour), t0.Add(time.Hour), t0.Add(2 * time.Hour)}[i]; !r.At.Equal(want) {
				t.Errorf("record %d at %s, want %s", r.Seq, r.At, want)
			}
			return err
		})
	}
	view(t, db, func(tx *Tx) error {
		for _, c := range []struct {
			from, to time.Time
			want     string
		}{
			{time.Time{}, time.Time{}, "1 2 3 4 5"},
			{t0, t0.Add(time.Hour), "1"}, // half open
			{t0.Add(1), time.Time{}, "2 3 4 5"},
			{t0.Add(time.Hour), t0.Add(time.Hour + 1), "2 3 4"},
			{time.Time{}, t0, ""},
			{t0.Add(3 * time.Hour), time.Time{}, ""},
			{t0.Add(2 * time.Hour), t0, ""},
		} {
			var got []string
			for r := range tx.Journal(c.from, c.to) {
				got = append(got, fmt.Sprint(r.Seq))
			}
			want := strings.Fields(c.want)
			if !slices.Equal(got, want) {
				t.Errorf("[%s, %s): %v, want %v", c.from, c.to, got, want)
			}
		}
		return nil
	})
}

func TestSubjectsThatCannotBeKeptAreRefused(t *testing.T) {
	db := openTemp(t)
	err := db.Update(t0, func(tx *Tx) error {
		_, err := tx.Append(incident.Record{What: incident.Listed, Subject: reputation.Subject{Kind: "whim", Target: "x"}})
		return err
	})
	if err == nil {
		t.Error("a subject that cannot be read back was taken")
	}
}

// The quick way to read a record says what encoding/json says, or nothing.
func FuzzQuickRecord(f *testing.F) {
	for _, row := range []recordRow{
		{At: stampOf(t0), What: incident.Listed, Subject: 3, After: stampOf(t0.Add(1)), By: stampOf(t0.Add(120_000)), FirstSight: true, Text: 4, Episode: 5},
		{At: stampOf(t0), What: incident.Acted, More: &moreOfRecord{Incident: "7", Words: `"quoted\"`}},
	} {
		raw, err := json.Marshal(row)
		if err != nil {
			f.Fatal(err)
		}
		var quick recordRow
		if !quickRecord(raw, &quick) || cmp.Diff(row, quick, same...) != "" {
			f.Errorf("%s is not read the quick way: %+v", raw, quick)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"t":1,"w":"x","s":18446744073709551616}`))
	f.Add([]byte(`{"t":1.1234567891,"w":"x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var quick, slow recordRow
		if !quickRecord(raw, &quick) {
			return
		}
		if err := json.Unmarshal(raw, &slow); err != nil {
			t.Fatalf("%s was read the quick way, and is no row: %v", raw, err)
		}
		if d := cmp.Diff(slow, quick, same...); d != "" {
			t.Errorf("%s (-json +quick):\n%s", raw, d)
		}
	})
}
