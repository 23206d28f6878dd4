package strictyaml

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

func (dec *decoder) scalar(n ast.Node, v reflect.Value, path []any) {
	switch v.Kind() {
	case reflect.String:
		if _, ok := n.(ast.ScalarNode); !ok {
			dec.fail(n, path, "", "%s: want text, got %s", last(path), kindWords(n))
			return
		}
		v.SetString(plainText(n))
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			dec.mismatch(n, path, boolHint(n), "true or false")
			return
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := integer(n)
		if !ok {
			dec.mismatch(n, path, numberHint(n), "a whole number")
		} else if v.OverflowInt(i) {
			dec.fail(n, path, "", "%s: %s is out of range", last(path), plainText(n))
		} else {
			v.SetInt(i)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, ok := integer(n)
		if !ok {
			dec.mismatch(n, path, numberHint(n), "a whole number")
		} else if i < 0 || v.OverflowUint(uint64(i)) {
			dec.fail(n, path, "", "%s: %s is out of range", last(path), plainText(n))
		} else {
			v.SetUint(uint64(i))
		}
	case reflect.Float32, reflect.Float64:
		f, ok := number(n)
		if !ok {
			dec.mismatch(n, path, numberHint(n), "a number")
			return
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("strictyaml: cannot read a %s", v.Type()))
	}
}

// mismatch quotes what stands there: only where a number or a truth value is
// wanted, which no secret is.
func (dec *decoder) mismatch(n ast.Node, path []any, hint, want string) {
	got := kindWords(n)
	if got == "text" {
		got = fmt.Sprintf("text %q", shorten(plainText(n)))
	}
	dec.fail(n, path, hint, "%s: want %s, got %s", last(path), want, got)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func boolHint(n ast.Node) string {
	switch strings.ToLower(plainText(n)) {
	case "yes", "on", "y", "1", "true":
		return "write true"
	case "no", "off", "n", "0", "false":
		return "write false"
	}
	return ""
}

func numberHint(n ast.Node) string {
	if _, err := strconv.ParseFloat(plainText(n), 64); err != nil {
		return ""
	}
	if _, text := n.(*ast.StringNode); text {
		return "remove the quotes"
	}
	return ""
}

// integer reads a whole number; 1e6 and 2.0 are whole too.
func integer(n ast.Node) (int64, bool) {
	n = exponent(n)
	switch v := n.(type) {
	case *ast.IntegerNode:
		switch i := v.Value.(type) {
		case int64:
			return i, true
		case uint64:
			return int64(i), i <= math.MaxInt64
		}
	case *ast.FloatNode:
		if f := v.Value; f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), true
		}
	}
	return 0, false
}

func number(n ast.Node) (float64, bool) {
	n = exponent(n)
	switch v := n.(type) {
	case *ast.IntegerNode:
		switch i := v.Value.(type) {
		case int64:
			return float64(i), true
		case uint64:
			return float64(i), true
		}
	case *ast.FloatNode:
		return v.Value, true // .inf and .nan are nodes of their own
	}
	return 0, false
}

// exponent makes a number of a plain 1e6, which is one in YAML 1.2 (core schema,
// §10.3.2) but text to the library.
func exponent(n ast.Node) ast.Node {
	s, ok := n.(*ast.StringNode)
	if !ok || s.Token == nil || s.Token.Type != token.StringType || !exponentForm.MatchString(s.Value) {
		return n
	}
	f, err := strconv.ParseFloat(s.Value, 64)
	if err != nil {
		return n
	}
	return &ast.FloatNode{BaseNode: s.BaseNode, Token: s.Token, Value: f}
}

var exponentForm = regexp.MustCompile(`^[-+]?[0-9]+[eE][-+]?[0-9]+$`)
