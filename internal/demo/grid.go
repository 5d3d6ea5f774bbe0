package demo

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// grid is the truth table: who reaches whom on which port, expected and seen.
type grid struct {
	rows    []string
	columns []column
	cells   map[place]*cell
}

// column is a destination and its ports.
type column struct {
	name  string
	ports []port
}

// place is a row, a column, and one of the column's ports.
type place struct{ row, column, port int }

// cell sums up the probes between all pods of two workloads on one port.
type cell struct {
	probes   int
	expected int // to be let through
	seen     int // let through
	wrong    int // seen otherwise than expected
}

func newGrid(rows []string, columns []column) *grid {
	return &grid{rows: rows, columns: columns, cells: make(map[place]*cell)}
}

// add counts a probe.
func (g *grid) add(p place, expected, seen bool) {
	c := g.cells[p]
	if c == nil {
		c = &cell{}
		g.cells[p] = c
	}
	c.probes++
	if expected {
		c.expected++
	}
	if seen {
		c.seen++
	}
	if expected != seen {
		c.wrong++
	}
}

// totals returns the number of probes, of those let through, and of those that
// were not as expected.
func (g *grid) totals() (probes, through, wrong int) {
	for _, c := range g.cells {
		probes, through, wrong = probes+c.probes, through+c.seen, wrong+c.wrong
	}
	return probes, through, wrong
}

// mark returns the sign of a cell; a space where nothing was probed.
func (c *cell) mark() (string, style) {
	switch {
	case c == nil:
		return " ", plain
	case c.wrong > 0:
		return "X", alarm
	case c.seen == c.probes:
		return "●", green
	case c.seen == 0:
		return "·", faint
	default:
		return "◐", yellow
	}
}

// print draws the table: a row for each source, a column for each destination,
// in it one sign for each port.
func (g *grid) print(s *screen) {
	left := 0
	for _, r := range g.rows {
		left = max(left, utf8.RuneCountInString(short(r)))
	}
	indent := strings.Repeat(" ", left+3)
	var names, letters strings.Builder
	for _, c := range g.columns {
		names.WriteString(" " + pad(short(c.name), c.width()))
		var l string
		for _, p := range c.ports {
			l += p.letter()
		}
		letters.WriteString(" " + pad(l, c.width()))
	}
	s.printf("\n%s%s\n", indent, s.paint(bold, strings.TrimRight(names.String(), " ")))
	s.printf("%s%s\n", indent, s.paint(faint, strings.TrimRight(letters.String(), " ")))
	for i, r := range g.rows {
		var line strings.Builder
		for j, c := range g.columns {
			line.WriteString(" ")
			for k := range c.ports {
				sign, st := g.cells[place{i, j, k}].mark()
				line.WriteString(s.paint(st, sign))
			}
			line.WriteString(strings.Repeat(" ", c.width()-len(c.ports)))
		}
		s.printf("  %s %s\n", s.paint(bold, pad(short(r), left)), strings.TrimRight(line.String(), " "))
	}
	s.printf("\n%s%s let through   %s dropped   %s not as the artifact says\n", indent,
		s.paint(green, "●"), s.paint(faint, "·"), s.paint(alarm, "X"))
	s.printf("%s%s\n\n", indent, s.paint(faint, g.legend()))
}

func (c column) width() int { return max(utf8.RuneCountInString(short(c.name)), len(c.ports)) }

// short cuts a name for the table, which has to fit into 120 columns.
func short(name string) string {
	const most = 8
	if len(name) <= most {
		return name
	}
	return name[:most-1] + "…"
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// legend says what the letters stand for: "d dns or dns-tcp, g grpc".
func (g *grid) legend() string {
	names := make(map[string][]string)
	for _, c := range g.columns {
		for _, p := range c.ports {
			name := p.name
			if !slices.Contains(names[p.letter()], name) {
				names[p.letter()] = append(names[p.letter()], name)
			}
		}
	}
	var parts []string
	for letter, n := range names {
		parts = append(parts, letter+" "+strings.Join(n, " or "))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// changed lists the places where something else was seen than before.
func (g *grid) changed(before *grid) []place {
	var out []place
	for p, c := range g.cells {
		if b := before.cells[p]; b == nil || b.seen != c.seen {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePlaces)
	return out
}

func comparePlaces(a, b place) int {
	return slices.Compare([]int{a.row, a.column, a.port}, []int{b.row, b.column, b.port})
}

// name returns "report -> orders http 8081/TCP".
func (g *grid) name(p place) string {
	c := g.columns[p.column]
	return fmt.Sprintf("%s -> %s %v", g.rows[p.row], c.name, c.ports[p.port])
}
