package policytest

import (
	"strings"

	"github.com/sluice-net/sluice/compiler/source/document"
)

// corner may stand before the destinations: YAML takes the indentation of the
// first line for that of all, so that it cannot begin further right.
const corner = `from\to`

// cell is a word of a table where it stands.
type cell struct {
	text string
	at   document.Place
}

// table reads a table: a line of destinations, then lines of a source and one
// verdict for each destination.
func (d *decoder) table(n *document.Node) {
	if !d.object(n, "the table", "name", "port", "table") {
		return
	}
	name, ports := d.name(n, "the table"), d.ports(n, "the table")
	text := d.text(n, "the table", "table", true)
	if text == "" {
		return
	}
	at := n.Get("table").At
	rows := d.cells(text, at)
	if len(rows) < 2 {
		d.errorf(at, "", "the table is too short: want a line of destinations, and a line for each source")
		return
	}
	if rows[0][0].text == corner {
		rows[0] = rows[0][1:]
	}
	to := d.tableEnds("to", rows[0])
	var first []cell
	for _, row := range rows[1:] {
		first = append(first, row[0])
	}
	from := d.tableEnds("from", first)
	asked := false
	for i, row := range rows[1:] {
		if len(row)-1 != len(rows[0]) {
			d.errorf(row[0].at, "", "the line of %s has %d verdicts, and there are %d destinations", row[0].text, len(row)-1, len(rows[0]))
			continue
		}
		for j, c := range row[1:] {
			if c.text == "-" { // not asked
				continue
			}
			asked = true
			v := d.verdict(c.at, c.text)
			if from[i].text != "" && to[j].text != "" {
				d.connect(connection{name: name, pos: d.pos(c.at), expect: v}, from[i], to[j], ports, c.at)
			}
		}
	}
	if !asked {
		d.errorf(at, "", "the table tests nothing")
	}
}

// tableEnds returns the ends of a line or column; zero where there is an error.
func (d *decoder) tableEnds(field string, cells []cell) []place {
	out := make([]place, len(cells))
	seen := map[string]bool{}
	for i, c := range cells {
		if seen[c.text] {
			d.errorf(c.at, "", "%s: %s is there twice", field, c.text)
		}
		seen[c.text] = true
		out[i], _ = d.end(c.at, field, c.text)
	}
	return out
}

// cells splits the text into the words of its lines, without blank lines. The
// lines of a block scalar follow its own; of what is written in another way
// only the beginning is known.
func (d *decoder) cells(text string, at document.Place) [][]cell {
	var rows [][]cell
	for i, line := range strings.Split(text, "\n") {
		var row []cell
		for off := 0; off < len(line); {
			word := line[off:]
			if k := strings.IndexAny(word, " \t\r"); k >= 0 {
				word = word[:k]
			}
			if word == "" {
				off++
				continue
			}
			row = append(row, cell{word, d.inBlock(at, i, line, off)})
			off += len(word)
		}
		if len(row) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// inBlock returns the place of a byte of line i of a block scalar at a place,
// or that place if the source does not have the line there.
func (d *decoder) inBlock(at document.Place, i int, line string, off int) document.Place {
	k := int(at.Line) + i
	if k >= len(d.lines) {
		return at
	}
	src := strings.TrimSuffix(string(d.lines[k]), "\r")
	if !strings.HasSuffix(src, line) {
		return at
	}
	return document.Place{Line: int32(k + 1), Col: int32(len(src) - len(line) + off + 1)}
}
