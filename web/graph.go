package web

import (
	"cmp"
	"fmt"
	"slices"

	"repwatch/api"
)

// graph is what is believed as a picture: partners on the left, lists on the right,
// a line as thick as the belief between them.
type graph struct {
	Height          int
	Partners, Lists []node
	Lines           []line
	More            int // edges that are in the table only
	Alt             string
}

type node struct {
	Name string
	Y    int
}

type line struct {
	Path  string // of the SVG
	Width string
	Class string // the standing
	Title string
}

// Measures of the picture, in its own units.
const (
	graphLeft, graphRight = 250, 550
	graphRow              = 28
	edgesDrawn            = 60
)

func graphOf(edges []api.Edge) graph {
	g := graph{More: max(0, len(edges)-edgesDrawn)}
	edges = edges[:min(len(edges), edgesDrawn)] // the surest come first
	g.Partners = nodesOf(edges, func(e api.Edge) string { return e.Partner })
	g.Lists = nodesOf(edges, func(e api.Edge) string { return e.List })
	g.Height = max(len(g.Partners), len(g.Lists))*graphRow + 12
	for _, e := range edges {
		from, to := heightOf(g.Partners, e.Partner), heightOf(g.Lists, e.List)
		middle := (graphLeft + graphRight) / 2
		g.Lines = append(g.Lines, line{
			Path:  fmt.Sprintf("M%d %dC%d %d %d %d %d %d", graphLeft, from, middle, from, middle, to, graphRight, to),
			Width: fmt.Sprintf("%.1f", 1+5*e.PIP), Class: string(e.Standing),
			Title: fmt.Sprintf("%s reacts to %s: %s, %d of %d listings were followed by a loss", e.Partner, e.List, e.Standing, e.Followed, e.Fired)})
	}
	g.Alt = fmt.Sprintf("%d partners and the %d lists they react to; the table below says the same", len(g.Partners), len(g.Lists))
	return g
}

// nodesOf are the names with most edges first, evenly spaced.
func nodesOf(edges []api.Edge, name func(api.Edge) string) (out []node) {
	weight := map[string]float64{}
	for _, e := range edges {
		weight[name(e)] += e.PIP
	}
	for n := range weight {
		out = append(out, node{Name: n})
	}
	slices.SortFunc(out, func(a, b node) int {
		return cmp.Or(cmp.Compare(weight[b.Name], weight[a.Name]), cmp.Compare(a.Name, b.Name))
	})
	for i := range out {
		out[i].Y = graphRow/2 + 6 + i*graphRow
	}
	return out
}

func heightOf(nodes []node, name string) int {
	return nodes[slices.IndexFunc(nodes, func(n node) bool { return n.Name == name })].Y
}
