package api

import (
	"reflect"
	"testing"
	"time"

	"repwatch/setup"
)

func TestDoctorDocument(t *testing.T) {
	checks := []setup.Check{
		{Area: setup.AreaResolver, Subject: "127.0.0.1:53", State: setup.OK, Why: "127.0.0.1:53 answers in 2 ms"},
		{Area: setup.AreaPort25, Subject: "203.0.113.7", State: setup.Warn, Why: "turned away: \x1b[31mno", Next: "repwatch probe contoso.com"},
		{Area: setup.AreaStore, Subject: "/x", State: setup.Fail, Why: "no"},
		{Area: setup.AreaSeen, State: setup.Unknown, Why: "it does not say"},
		{Area: setup.AreaKeys, State: setup.Off, Why: "no secret is configured"},
	}
	golden(t, "doctor", DoctorOf(at, checks, []string{"run as root"}))
	noNullArrays(t, "doctor", reflect.ValueOf(DoctorOf(time.Time{}, nil, nil)))
}

// TestDoctorExit: only what will not work is a finding; what is off was not asked for.
func TestDoctorExit(t *testing.T) {
	for _, tt := range []struct {
		states []setup.State
		want   int
	}{
		{[]setup.State{setup.OK, setup.Warn}, ExitOK},
		{[]setup.State{setup.OK, setup.Fail, setup.Unknown, setup.Unknown}, ExitFinding},
		{[]setup.State{setup.OK, setup.Unknown}, ExitOK},
		{[]setup.State{setup.OK, setup.Unknown, setup.Unknown}, ExitUnknown},
		{[]setup.State{setup.OK, setup.Off, setup.Off, setup.Off}, ExitOK},
		{[]setup.State{setup.OK, ""}, ExitOK}, // the zero state is unknown
		{[]setup.State{""}, ExitUnknown},
		{nil, ExitUnknown},
	} {
		var checks []setup.Check
		for _, s := range tt.states {
			checks = append(checks, setup.Check{State: s})
		}
		if got := DoctorOf(at, checks, nil).Exit(); got != tt.want {
			t.Errorf("%v: exit %d, want %d", tt.states, got, tt.want)
		}
	}
}
