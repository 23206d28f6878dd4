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
	Width, Height   int
	Partners, Lists []node
	Lines           []line
	Standings       []string // of these lines
	More            int      // edges that are in the table only
	Alt             string
}

type node struct {
	Name        string
	X, Y, TextX int
}

type line struct {
	Path  string // of the SVG
	Width string
	Class string // the standing
	Title string
}

// Measures of the picture, in its own units.
const (
	graphWide             = 900
	graphLeft, graphRight = 270, 630
	graphRow              = 28
	edgesDrawn            = 60
)

func graphOf(edges []api.Edge) graph {
	g := graph{More: max(0, len(edges)-edgesDrawn)}
	edges = edges[:min(len(edges), edgesDrawn)] // the surest come first
	g.Partners = nodesOf(edges, graphLeft, -10, func(e api.Edge) string { return e.Partner })
	g.Lists = nodesOf(edges, graphRight, 10, func(e api.Edge) string { return e.List })
	g.Width, g.Height = graphWide, max(len(g.Partners), len(g.Lists))*graphRow+12
	for _, e := range edges {
		from, to := heightOf(g.Partners, e.Partner), heightOf(g.Lists, e.List)
		middle := (graphLeft + graphRight) / 2
		if !slices.Contains(g.Standings, string(e.Standing)) {
			g.Standings = append(g.Standings, string(e.Standing))
		}
		g.Lines = append(g.Lines, line{
			Path:  fmt.Sprintf("M%d %dC%d %d %d %d %d %d", graphLeft, from, middle, from, middle, to, graphRight, to),
			Width: fmt.Sprintf("%.1f", 1+5*e.PIP), Class: string(e.Standing),
			Title: fmt.Sprintf("%s reacts to %s: %s, a loss followed %d of %s", e.Partner, e.List, e.Standing, e.Followed, count(e.Fired, "listing", "listings"))})
	}
	g.Alt = fmt.Sprintf("%s and %s, with what reacts to what; the table below says the same", count(len(g.Partners), "partner", "partners"), count(len(g.Lists), "list", "lists"))
	return g
}

// nodesOf are the names with most edges first, evenly spaced.
func nodesOf(edges []api.Edge, x, gap int, name func(api.Edge) string) (out []node) {
	weight := map[string]float64{}
	for _, e := range edges {
		weight[name(e)] += e.PIP
	}
	for n := range weight {
		out = append(out, node{Name: n, X: x, TextX: x + gap})
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
