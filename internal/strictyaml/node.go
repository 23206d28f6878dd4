package strictyaml

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// pair is one entry of a mapping, its key as text whatever YAML takes it for:
// 2, 127.0 and true are keys like any other.
type pair struct {
	text       string
	key, value ast.Node
}

// pairs lists a mapping's entries in the order of the file. Entries merged in
// by << come last and only where the mapping itself has no such key. Where << is
// nested too deep it stays a key like any other, and an unknown one.
func (d *Document) pairs(n ast.Node) []pair { return d.pairsDepth(n, 0) }

func (d *Document) pairsDepth(n ast.Node, depth int) []pair {
	var own, merged []pair
	for _, v := range mappingValues(n) {
		if v.Key != nil && v.Key.IsMergeKey() && depth < maxMerges {
			merged = append(merged, d.mergedPairs(v.Value, depth+1)...)
			continue
		}
		own = append(own, pair{keyText(v.Key), v.Key, v.Value})
	}
	if len(merged) == 0 {
		return own
	}
	seen := map[string]bool{}
	for _, e := range own {
		seen[e.text] = true
	}
	for _, e := range merged {
		if !seen[e.text] {
			seen[e.text] = true
			own = append(own, e)
		}
	}
	return own
}

// mergedPairs are those of the mapping, or list of mappings, behind <<.
func (d *Document) mergedPairs(n ast.Node, depth int) (out []pair) {
	n = d.resolve(n)
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, v := range seq.Values[:min(len(seq.Values), maxMerged)] {
			out = append(out, d.pairsDepth(d.resolve(v), depth)...)
		}
		return out
	}
	return d.pairsDepth(n, depth)
}

func mappingValues(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// resolve looks through anchors, aliases and tags. An alias without anchor, or
// one that leads in circles, is nil.
func (d *Document) resolve(n ast.Node) ast.Node {
	for range maxDepth {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := d.anchors[aliasName(v)]
			if !ok {
				return nil
			}
			n = target
		default:
			return n
		}
	}
	return nil
}

func aliasName(n *ast.AliasNode) string { return plainText(n.Value) }

// plainText is a scalar as written, quotes and escapes undone; empty for anything else.
func plainText(n ast.Node) string {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	case *ast.NullNode:
		return ""
	case ast.ScalarNode:
		if t := v.GetToken(); t != nil {
			return strings.TrimSpace(t.Value)
		}
	}
	return ""
}

// keyText is a key as text; null is a key of that name.
func keyText(n ast.Node) string {
	for range maxDepth {
		switch v := n.(type) {
		case *ast.MappingKeyNode:
			n = v.Value
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.NullNode:
			return strings.TrimSpace(v.GetToken().Value)
		default:
			return plainText(n)
		}
	}
	return ""
}

func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// isBlock reports a mapping or list written over several lines.
func isBlock(n ast.Node) bool {
	switch v := n.(type) {
	case *ast.MappingNode:
		return !v.IsFlowStyle
	case *ast.MappingValueNode:
		return !v.IsFlowStyle
	case *ast.SequenceNode:
		return !v.IsFlowStyle
	}
	return false
}

// position is where a node begins; the first key of a mapping without braces.
func position(n ast.Node) *token.Position {
	switch v := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return position(v.Values[0])
		}
	case *ast.MappingValueNode:
		return position(v.Key)
	}
	if t := n.GetToken(); t != nil {
		return t.Position
	}
	return nil
}

// kindWords is what a node is, for people.
func kindWords(n ast.Node) string {
	switch v := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section of keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return v.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + plainText(n)
	default:
		return "text"
	}
}
