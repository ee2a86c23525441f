package report

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A chart is drawn on a card of its own colour, with dark text, so that it can
// be read on a light and on a dark page.
type chart struct {
	title, x, y string
	logX, logY  bool
	series      []series
	rows        []string // names of the rows of a dot chart; then X is the value
}

type series struct {
	label string
	color color.Color
	glyph draw.GlyphDrawer
	dash  bool
	xys   plotter.XYs
}

var (
	card  = color.RGBA{0xf3, 0xf4, 0xf6, 0xff}
	ink   = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	lines = color.RGBA{0xd5, 0xd9, 0xdf, 0xff}
)

// looks gives each library the same colour and sign in every chart. The colours
// are those of Okabe and Ito, which people with any colour vision tell apart.
var looks = map[string]struct {
	color color.Color
	glyph draw.GlyphDrawer
}{
	"coatcheck":  {color.RGBA{0xd5, 0x5e, 0x00, 0xff}, draw.CircleGlyph{}},
	"scs":        {color.RGBA{0x00, 0x72, 0xb2, 0xff}, draw.BoxGlyph{}},
	"gorilla":    {color.RGBA{0x00, 0x9e, 0x73, 0xff}, draw.TriangleGlyph{}},
	"gin":        {color.RGBA{0xcc, 0x79, 0xa7, 0xff}, draw.PyramidGlyph{}},
	"fiber":      {color.RGBA{0xb8, 0x86, 0x00, 0xff}, draw.SquareGlyph{}},
	"iris":       {color.RGBA{0x35, 0x9c, 0xd6, 0xff}, draw.RingGlyph{}},
	"floor-mw":   {color.RGBA{0x6b, 0x70, 0x78, 0xff}, draw.CrossGlyph{}},
	"floor-kept": {color.RGBA{0x7f, 0x86, 0x90, 0xff}, draw.SquareGlyph{}},
	"floor":      {color.RGBA{0x95, 0x9a, 0xa2, 0xff}, draw.PlusGlyph{}},
	"fair":       {color.RGBA{0x49, 0x4e, 0x56, 0xff}, draw.CrossGlyph{}},
	"bare":       {color.RGBA{0x1f, 0x23, 0x28, 0xff}, draw.PlusGlyph{}},
}

const (
	chartWidth  = 22 * vg.Centimeter
	chartHeight = 11 * vg.Centimeter
	legendWidth = 6 * vg.Centimeter
)

// svg draws the chart.
func (c chart) svg() ([]byte, error) {
	p := plot.New()
	p.BackgroundColor = card
	p.Title.Text = c.title
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = c.x, c.y
	for _, style := range []*color.Color{
		&p.Title.TextStyle.Color, &p.X.Label.TextStyle.Color, &p.Y.Label.TextStyle.Color,
		&p.X.Tick.Label.Color, &p.Y.Tick.Label.Color, &p.X.Color, &p.Y.Color,
		&p.X.Tick.Color, &p.Y.Tick.Color,
	} {
		*style = ink
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = lines, lines
	p.Add(grid)
	legend := plot.NewLegend()
	legend.Top, legend.Left, legend.YOffs = true, true, -vg.Points(36)
	legend.TextStyle.Color = ink
	legend.Padding = vg.Points(5)
	for _, s := range c.series {
		if err := c.draw(p, &legend, s); err != nil {
			return nil, err
		}
	}
	c.axes(p)
	canvas := vgsvg.New(chartWidth, chartHeight)
	all := draw.New(canvas)
	all.SetColor(card)
	all.Fill(all.Rectangle.Path())
	p.Draw(draw.Crop(all, vg.Points(6), -legendWidth, vg.Points(6), -vg.Points(6)))
	legend.Draw(draw.Crop(all, chartWidth-legendWidth+vg.Points(6), 0, 0, 0))
	var out bytes.Buffer
	_, err := canvas.WriteTo(&out)
	return out.Bytes(), err
}

func (c chart) draw(p *plot.Plot, legend *plot.Legend, s series) error {
	points, err := plotter.NewScatter(s.xys)
	if err != nil {
		return err
	}
	points.GlyphStyle = draw.GlyphStyle{Color: s.color, Radius: vg.Points(4), Shape: s.glyph}
	if c.rows != nil {
		p.Add(points)
		legend.Add(s.label, points)
		return nil
	}
	line, err := plotter.NewLine(s.xys)
	if err != nil {
		return err
	}
	line.Color, line.Width = s.color, vg.Points(2)
	if s.dash {
		line.Dashes = []vg.Length{vg.Points(5), vg.Points(4)}
	}
	points.Radius = vg.Points(3)
	p.Add(line, points)
	legend.Add(s.label, line, points)
	return nil
}

func (c chart) axes(p *plot.Plot) {
	if c.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, powers{}
		if c.rows == nil {
			p.X.Tick.Marker = places(c.series)
		}
	}
	if c.logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, powers{}
		p.Y.Min = math.Pow(10, math.Floor(math.Log10(p.Y.Min)))
		p.Y.Max = math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
	} else if c.rows == nil {
		p.Y.Min = 0
		p.Y.Max *= 1.1
		p.Y.Tick.Marker = thousands{}
	}
	if c.rows != nil {
		p.X.Min = math.Pow(10, math.Floor(math.Log10(p.X.Min)))
		p.X.Max = math.Pow(10, math.Ceil(math.Log10(p.X.Max)))
		p.NominalY(c.rows...)
		p.Y.Padding = vg.Points(30) // a browser's font may be wider than the one measured
		p.Y.Min, p.Y.Max = -0.5, float64(len(c.rows))-0.5
	}
}

// powers marks the powers of ten of a logarithmic axis.
type powers struct{}

func (powers) Ticks(low, high float64) (ticks []plot.Tick) {
	for v := math.Pow(10, math.Floor(math.Log10(low))); v <= high*1.001; v *= 10 {
		ticks = append(ticks, plot.Tick{Value: v, Label: number(v) + " "})
		for m := 2.0; m < 10 && v*m < high; m++ {
			ticks = append(ticks, plot.Tick{Value: v * m})
		}
	}
	return ticks
}

// thousands is the usual axis with our numbers.
type thousands struct{}

func (thousands) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = number(t.Value) + " "
		}
	}
	return ticks
}

// places marks the values of X that were measured.
func places(all []series) plot.ConstantTicks {
	seen := make(map[float64]bool)
	var ticks plot.ConstantTicks
	for _, s := range all {
		for _, xy := range s.xys {
			if !seen[xy.X] {
				seen[xy.X] = true
				ticks = append(ticks, plot.Tick{Value: xy.X, Label: number(xy.X)})
			}
		}
	}
	return ticks
}

// growth is a series of rows prefix+"1", prefix+"10", …
func growth(r *Results, label, look, prefix, unit string, scale float64) series {
	s := series{label: label, color: looks[look].color, glyph: looks[look].glyph}
	for _, name := range r.Names(prefix) {
		x, err := strconv.ParseFloat(name[len(prefix):], 64)
		y, ok := r.Value(name, unit)
		if err == nil && ok && y > 0 {
			s.xys = append(s.xys, plotter.XY{X: x, Y: y * scale})
		}
	}
	slices.SortFunc(s.xys, func(a, b plotter.XY) int { return int(a.X - b.X) })
	return s
}

// with drops the series that have no points.
func (c chart) with(all ...series) chart {
	for _, s := range all {
		if len(s.xys) > 0 {
			c.series = append(c.series, s)
		}
	}
	return c
}
