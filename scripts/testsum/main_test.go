package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummarize(t *testing.T) {
	const head = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
`
	for _, tt := range []struct {
		name, in, want string
		failed         bool
	}{
		{"a pass says nothing but its package", head + `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`, "ok  \tp\t0.1s\n", false},
		{"a failure says all it said", head + `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: wrong\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`, "    a_test.go:3: wrong\n--- FAIL: TestA (0.00s)\nFAIL\tp\t0.1s\nFAIL\n", true},
		{"a skip is told before go test's own lines", head + `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: NOT RUN: needs real postfix\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`, "ok  \tp\t0.1s\n" + strings.Repeat("=", 72) + "\n1 TESTS DID NOT RUN:\n  p.TestA: NOT RUN: needs real postfix\n" + strings.Repeat("=", 72) + "\nok  \tp\t0.1s\n", false},
		{"a package without tests is no skip", `{"Action":"output","Package":"p","Output":"?   \tp\t[no test files]\n"}
{"Action":"skip","Package":"p"}
`, "?   \tp\t[no test files]\n", false},
		{"a build that fails", `{"ImportPath":"p","Action":"build-output","Output":"a.go:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`, "a.go:1: syntax error\nFAIL\tp [build failed]\n", true},
		{"a binary that dies within a test", head + `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: oh\n"}
`, "panic: oh\n", true},
		{"words of go itself", "go: cannot find main module\n", "go: cannot find main module\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			failed, err := summarize(strings.NewReader(tt.in), &out)
			if err != nil || failed != tt.failed {
				t.Errorf("failed = %v, %v; want %v", failed, err, tt.failed)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
