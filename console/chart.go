package console

import (
	"strconv"
	"time"
)

// A chart is a number for each minute of the last hour: bars for the eye, and the
// same in words and as a table for whoever hears the page.
type chart struct {
	Title string
	Tone  string // good, alert or plain
	Big   string // what is to be read first
	Says  string
	Bars  []bar
	Rows  []chartRow
}

// A bar is a minute that had something, in a picture of 122 by 30.
type bar struct{ X, Y, H float64 }

// A chartRow is five minutes.
type chartRow struct {
	From time.Time
	N    string
}

const chartHeight = 30

// counting makes a chart of how often something happened. What deserves attention
// has the tone of an alert where it has happened.
func counting(title, tone string, s series, now time.Time) chart {
	if tone == "alert" && s.total() == 0 {
		tone = "plain"
	}
	c := chart{Title: title, Tone: tone, Big: grouped(int64(s.total()))}
	most, at := c.draw(s, now)
	c.Says = "none in the last hour"
	if most > 0 {
		c.Says = "most in a minute: " + grouped(int64(most)) + ", at " + at.Format("15:04")
	}
	c.rows(s, now, func(five []float64) string {
		var n float64
		for _, v := range five {
			n += v
		}
		return grouped(int64(n))
	})
	return c
}

// lasting makes a chart of how long something took, in milliseconds.
func lasting(title string, s series, now time.Time) chart {
	c := chart{Title: title, Tone: "plain"}
	most, at := c.draw(s, now)
	c.Big, c.Says = "none", "no call in the last hour"
	if most > 0 {
		c.Big = "at most " + milliseconds(most)
		c.Says = "longest in the minute of " + at.Format("15:04")
	}
	c.rows(s, now, func(five []float64) string {
		var most float64
		for _, v := range five {
			most = max(most, v)
		}
		if most == 0 {
			return "none"
		}
		return milliseconds(most)
	})
	return c
}

func milliseconds(ms float64) string { return short(time.Duration(ms * float64(time.Millisecond))) }

// draw makes the bars, and returns the highest and when that was.
func (c *chart) draw(s series, now time.Time) (most float64, at time.Time) {
	for i, v := range s {
		if v > most {
			most, at = v, minuteAt(now, i)
		}
	}
	for i, v := range s {
		if v > 0 {
			h := max(round(v/most*chartHeight), 1.5)
			c.Bars = append(c.Bars, bar{float64(2 * i), round(chartHeight - h), h})
		}
	}
	return most, at
}

func round(v float64) float64 {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'f', 2, 64), 64)
	return v
}

// minuteAt returns when the i-th minute of the hour that ends with now began.
func minuteAt(now time.Time, i int) time.Time {
	return now.UTC().Truncate(time.Minute).Add(time.Duration(i-minutes+1) * time.Minute)
}

// rows makes the table, the latest first.
func (c *chart) rows(s series, now time.Time, sum func([]float64) string) {
	const five = 5
	for end := minutes; end > 0; end -= five {
		from := max(end-five, 0)
		c.Rows = append(c.Rows, chartRow{minuteAt(now, from), sum(s[from:end])})
	}
}
