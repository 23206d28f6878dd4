package report

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"regexp"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Measures of the picture in points: 600 of them are 800 pixels at 96 to the inch.
const (
	pictureWidth = vg.Length(600)
	margin       = vg.Length(10)
	rowHeight    = vg.Length(19)
	barHeight    = vg.Length(12)
	titleHeight  = vg.Length(24)
	legendLine   = vg.Length(19)
	axisHeight   = vg.Length(20)
	maxLabel     = vg.Length(150)
	leastLane    = vg.Length(6) // of a bar that shares its row with others
	leastBar     = vg.Length(2) // what lasted for minutes must be seen too
	pngDPI       = 192          // twice 96: sharp on the screens of today, 800 pixels wide where it counts
)

// theme is a picture's colours.
type theme struct {
	paper, ink, faint, grid, band color.Color
	causes                        map[string]color.Color
	unknown                       color.Color
}

// The colours of causes are those of Okabe and Ito, which people with any colour
// vision tell apart (https://jfly.uni-koeln.de/color/); each has a pattern too.
var (
	light = theme{paper: rgb(0xffffff), ink: rgb(0x1b1f24), faint: rgb(0x57606a), grid: rgb(0xd0d7de), band: rgb(0xf6f8fa), unknown: rgb(0x8c959f),
		causes: map[string]color.Color{string(Ours): rgb(0xd55e00), string(Theirs): rgb(0x0072b2), string(Path): rgb(0x009e73), string(Unclear): rgb(0xcc79a7), harmless: rgb(0xe69f00)}}
	dark = theme{paper: rgb(0x15191e), ink: rgb(0xe6edf3), faint: rgb(0x9ea7b3), grid: rgb(0x343b44), band: rgb(0x1c2128), unknown: rgb(0x7d8590),
		causes: map[string]color.Color{string(Ours): rgb(0xe06c10), string(Theirs): rgb(0x3d9be0), string(Path): rgb(0x12b587), string(Unclear): rgb(0xd68fb6), harmless: rgb(0xe6a817)}}
)

// harmless is the cause of a bar that broke nothing.
const harmless = "harmless"

var causeOrder = []string{string(Ours), string(Theirs), string(Path), string(Unclear), harmless}

var causeWords = map[string]string{string(Ours): "our side", string(Theirs): "the partner", string(Path): "the way between", string(Unclear): "cause not clear", harmless: "listing, harmless"}

func rgb(v uint32) color.NRGBA { return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255} }

// PNG is the picture as an image of 1600 pixels' width, made to be read at 800.
func PNG(r Report) ([]byte, error) {
	p := newPainter(shown(r), light)
	img := vgimg.NewWith(vgimg.UseWH(pictureWidth, p.height()), vgimg.UseDPI(pngDPI))
	p.paint(draw.New(img))
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(&b); err != nil {
		return nil, fmt.Errorf("the picture cannot be written: %w", err)
	}
	return b.Bytes(), nil
}

// SVG is the picture as an element for a page, in light or dark colours.
func SVG(r Report, darkMode bool) (string, error) {
	colours := light
	if darkMode {
		colours = dark
	}
	p := newPainter(shown(r), colours)
	c := vgsvg.New(pictureWidth, p.height())
	p.paint(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("the picture cannot be written: %w", err)
	}
	return element(b.String(), r.Picture.Alt), nil
}

// element makes the document an element that names itself, and asks for fonts of the
// same widths where Liberation is not installed.
func element(svg, alt string) string {
	if at := strings.Index(svg, "<svg"); at > 0 {
		svg = svg[at:]
	}
	label := fmt.Sprintf(`<svg role="img" aria-label="%s" `, html.EscapeString(oneLine(alt)))
	svg = strings.Replace(svg, "<svg ", label, 1)
	return styled.ReplaceAllStringFunc(svg, func(style string) string {
		var out []string
		for _, part := range strings.Split(style[len(`style="`):len(style)-1], ";") {
			name, value, _ := strings.Cut(part, ":")
			if value == "normal" { // as it is anyway
				continue
			}
			if name == "font-family" {
				value += ",Arial,Helvetica,sans-serif"
			}
			out = append(out, name+`="`+value+`"`)
		}
		return strings.Join(out, " ")
	})
}

// styled is how the canvas writes colours and fonts. As attributes of their own they
// pass a page's policy that forbids style (Content-Security-Policy).
var styled = regexp.MustCompile(`style="[^"]*"`)

// painter lays one picture out.
type painter struct {
	told
	theme
	lines []paintRow
	keys  []string // causes that occur, then "perhaps", "unknown"
	left  vg.Length
	// legendAt is where each key stands, from the top left of the legend.
	legendAt     []vg.Point
	legendHeight vg.Length
}

// paintRow is a row, or a caption over those of a kind.
type paintRow struct {
	caption string
	row     Row
	bars    []laneBar
	bar     vg.Length // the height of a bar that is alone
}

func (r paintRow) height() vg.Length { return max(rowHeight, r.bar+rowHeight-barHeight) }

// rect is a place in the picture.
type rect struct{ from, to, low, high vg.Length }

func newPainter(t told, colours theme) *painter {
	p := &painter{told: t, theme: colours}
	kind := ""
	used := map[string]bool{}
	for _, r := range t.Picture.Rows {
		if r.Kind != kind {
			kind = r.Kind
			p.lines = append(p.lines, paintRow{caption: map[string]string{"list": "Blocklists", "partner": "Partners"}[kind]})
		}
		line := paintRow{row: r, bars: lanes(r.Bars), bar: barHeight}
		for _, b := range line.bars {
			used[b.Cause] = true
			used["perhaps"] = used["perhaps"] || b.Late.Sub(*b.To)+b.From.Sub(*b.Early) > 20*time.Minute
			line.bar = max(line.bar, vg.Length(b.of)*leastLane)
		}
		p.lines = append(p.lines, line)
		used["unknown"] = used["unknown"] || len(r.Unknown) > 0
	}
	for _, k := range append(causeOrder[:len(causeOrder):len(causeOrder)], "perhaps", "unknown") {
		if used[k] {
			p.keys = append(p.keys, k)
		}
	}
	if len(p.lines) == 0 {
		p.lines = []paintRow{{caption: nothing(t.Blind.Told)}}
	}
	p.left = margin + p.labelWidth() + 8
	p.place()
	return p
}

func (p *painter) style(size vg.Length, bold bool, c color.Color) draw.TextStyle {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 3 // golang.org/x/image/font.WeightBold
	}
	return draw.TextStyle{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

func (p *painter) labelWidth() (w vg.Length) {
	s := p.style(9, false, p.ink)
	for _, l := range p.lines {
		w = max(w, s.Width(p.label(l.row.Name)))
	}
	return w
}

// label shortens a name that would take the room of the bars.
func (p *painter) label(name string) string {
	s := p.style(9, false, p.ink)
	name = oneLine(name)
	runes := []rune(name)
	for s.Width(string(runes)) > maxLabel && len(runes) > 1 {
		runes = runes[:len(runes)-1]
	}
	if len(runes) < len([]rune(name)) {
		return string(runes[:len(runes)-1]) + "…"
	}
	return name
}

func (p *painter) height() vg.Length {
	h := 2*margin + titleHeight + axisHeight + p.legendHeight
	for _, l := range p.lines {
		h += l.height()
	}
	if p.Picture.More > 0 {
		h += rowHeight
	}
	return h
}

func (p *painter) paint(c draw.Canvas) {
	p.box(c, rect{0, pictureWidth, 0, p.height()}, p.paper)
	y := p.height() - margin
	title := p.style(12, true, p.ink)
	c.FillText(title, vg.Point{X: margin, Y: y - 13}, p.title())
	y -= titleHeight
	p.legend(c, y)
	y -= p.legendHeight
	top, bottom := y, y
	for n, l := range p.lines {
		if n%2 == 0 && l.caption == "" {
			p.box(c, rect{p.left, pictureWidth - margin, bottom - l.height(), bottom}, p.band)
		}
		bottom -= l.height()
	}
	timed := p.Week.From != nil && p.Week.To != nil // else there is no time to draw in
	if timed && len(p.Picture.Rows) > 0 {
		p.grid(c, top, bottom)
	}
	for _, l := range p.lines {
		p.line(c, l, y-l.height()/2)
		y -= l.height()
	}
	if timed {
		p.days(c, bottom)
		p.nowLine(c, top, bottom)
	}
	if p.Picture.More > 0 {
		c.FillText(p.style(9, false, p.faint), vg.Point{X: margin, Y: margin - 2}, fmt.Sprintf("and %d more rows: see the tables", p.Picture.More))
	}
}

// x places a time.
func (p *painter) x(t time.Time) vg.Length {
	if p.Week.From == nil || p.Week.To == nil {
		return p.left
	}
	from, to := *p.Week.From, *p.Week.To
	share := t.Sub(from).Seconds() / to.Sub(from).Seconds()
	return p.left + (pictureWidth-margin-p.left)*vg.Length(min(1, max(0, share)))
}

// midnights of the time shown, by the zone's clock.
func (p *painter) midnights() (out []time.Time) {
	from := p.Week.From.In(p.zone)
	for d := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, p.zone); !d.After(*p.Week.To); d = d.AddDate(0, 0, 1) {
		if !d.Before(*p.Week.From) {
			out = append(out, d)
		}
	}
	return out
}

func (p *painter) grid(c draw.Canvas, top, bottom vg.Length) {
	style := draw.LineStyle{Color: p.theme.grid, Width: .6}
	for _, d := range p.midnights() {
		c.StrokeLine2(style, p.x(d), bottom, p.x(d), top)
	}
}

func (p *painter) days(c draw.Canvas, bottom vg.Length) {
	all := p.midnights()
	s := p.style(9, false, p.faint)
	s.XAlign = draw.XCenter
	every := 1 + len(all)/16 // a longer time than a fortnight names fewer days
	for n, d := range all {
		next := d.AddDate(0, 0, 1)
		if next.After(*p.Week.To) || n%every != 0 {
			continue
		}
		layout := "Mon 2 Jan"
		if len(all) > 9 {
			layout = "2 Jan"
		}
		c.FillText(s, vg.Point{X: (p.x(d) + p.x(next)) / 2, Y: bottom - 13}, d.Format(layout))
	}
}

// nowLine marks where the report was made before the week was over.
func (p *painter) nowLine(c draw.Canvas, top, bottom vg.Length) {
	if p.At == nil || !p.At.Before(*p.Week.To) || p.At.Before(*p.Week.From) {
		return
	}
	x := p.x(*p.At)
	c.StrokeLine2(draw.LineStyle{Color: p.ink, Width: 1, Dashes: []vg.Length{3, 2}}, x, bottom, x, top)
	c.FillText(p.style(9, false, p.ink), vg.Point{X: min(x+3, pictureWidth-margin-20), Y: top - 11}, "now")
}

func (p *painter) line(c draw.Canvas, l paintRow, middle vg.Length) {
	if l.caption != "" {
		c.FillText(p.style(9, true, p.ink), vg.Point{X: margin, Y: middle - 4}, l.caption)
		return
	}
	c.FillText(p.style(9, false, p.ink), vg.Point{X: margin, Y: middle - 3}, p.label(l.row.Name))
	for _, g := range l.row.Unknown {
		p.unknownBox(c, rect{p.x(*g.From), p.x(*g.To), middle - l.bar/2, middle + l.bar/2})
	}
	for _, b := range l.bars {
		p.bar(c, b, middle-l.bar/2, l.bar)
	}
}

// bar is solid where a state is sure, and lighter where it may have been so already, or still.
func (p *painter) bar(c draw.Canvas, b laneBar, low, height vg.Length) {
	height /= vg.Length(b.of)
	low += height * vg.Length(b.of-1-b.lane)
	colour := p.colour(b.Cause)
	whole := rect{p.x(*b.Early), p.x(*b.Late), low, low + height}
	if whole.to-whole.from < leastBar {
		whole.from, whole.to = whole.from-leastBar/2, whole.to+leastBar/2
	}
	p.box(c, whole, pale(colour))
	if sure := (rect{p.x(*b.From), p.x(*b.To), low, low + height}); sure.from < sure.to {
		p.box(c, sure, colour)
		p.pattern(c, b.Cause, sure)
	}
	p.frame(c, whole, colour)
}

func (p *painter) colour(cause string) color.Color {
	if c := p.causes[cause]; c != nil {
		return c
	}
	return p.unknown
}

func (p *painter) unknownBox(c draw.Canvas, r rect) {
	p.hatch(c, r, 5, p.unknown, .7, true, false)
	p.frame(c, r, p.unknown)
}

// pattern repeats in lines what colour says.
func (p *painter) pattern(c draw.Canvas, cause string, r rect) {
	line := color.Color(color.NRGBA{255, 255, 255, 170})
	switch cause {
	case string(Theirs):
		p.hatch(c, r, 6, line, 1.2, true, false)
	case string(Path):
		p.stripes(c, r, line)
	case string(Unclear):
		p.hatch(c, r, 7, line, 1, true, true)
	case harmless:
		third := (r.high - r.low) / 3
		p.strokes(c, [][2]vg.Point{{{X: r.from, Y: r.low + third}, {X: r.to, Y: r.low + third}}, {{X: r.from, Y: r.high - third}, {X: r.to, Y: r.high - third}}}, line, 1)
	}
}

func (p *painter) stripes(c draw.Canvas, r rect, line color.Color) {
	var lines [][2]vg.Point
	const step = vg.Length(5)
	for x := step * vg.Length(int(r.from/step)+1); x < r.to; x += step {
		lines = append(lines, [2]vg.Point{{X: x, Y: r.low}, {X: x, Y: r.high}})
	}
	p.strokes(c, lines, line, 1.2)
}

// hatch draws diagonals, cut to the box; up, down or both.
func (p *painter) hatch(c draw.Canvas, r rect, step vg.Length, line color.Color, width vg.Length, up, down bool) {
	var lines [][2]vg.Point
	height := r.high - r.low
	for x := step * vg.Length(int((r.from-height)/step)); x < r.to; x += step {
		a, b := max(x, r.from), min(x+height, r.to)
		if a >= b {
			continue
		}
		if up {
			lines = append(lines, [2]vg.Point{{X: a, Y: r.low + a - x}, {X: b, Y: r.low + b - x}})
		}
		if down {
			lines = append(lines, [2]vg.Point{{X: a, Y: r.high - (a - x)}, {X: b, Y: r.high - (b - x)}})
		}
	}
	p.strokes(c, lines, line, width)
}

// strokes draws many lines as one path.
func (p *painter) strokes(c draw.Canvas, lines [][2]vg.Point, line color.Color, width vg.Length) {
	if len(lines) == 0 {
		return
	}
	var path vg.Path
	for _, l := range lines {
		path.Move(l[0])
		path.Line(l[1])
	}
	c.SetLineStyle(draw.LineStyle{Color: line, Width: width})
	c.Stroke(path)
}

func (p *painter) frame(c draw.Canvas, r rect, line color.Color) {
	c.StrokeLines(draw.LineStyle{Color: line, Width: .8}, append(r.corners(), vg.Point{X: r.from, Y: r.low}))
}

func (p *painter) box(c draw.Canvas, r rect, fill color.Color) { c.FillPolygon(fill, r.corners()) }

func (r rect) corners() []vg.Point {
	return []vg.Point{{X: r.from, Y: r.low}, {X: r.to, Y: r.low}, {X: r.to, Y: r.high}, {X: r.from, Y: r.high}}
}

// pale is a colour of what may have been.
func pale(c color.Color) color.Color {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	n.A = 90
	return n
}
