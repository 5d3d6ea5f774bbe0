package query

import (
	"fmt"
	"strings"
)

// box is a box of the graph and the arrow that leads to it.
type box struct {
	id, text string
	verdict  string // colours the box; "" for none
	arrow    string // on the way from the box before
}

// boxes lists the way of the connection, in order.
func (x *Explanation) boxes() []box {
	what := x.Protocol
	if x.Port != 0 {
		what = fmt.Sprintf("%d/%s", x.Port, x.Protocol)
	}
	out := []box{{id: "src", text: x.Src}}
	arrow := what
	for _, d := range []struct {
		name    string
		passage *Passage
	}{{"egress", x.Egress}, {"ingress", x.Ingress}} {
		p := d.passage
		if p == nil {
			out = append(out, box{id: d.name, text: d.name + "\nno pod that policies govern", arrow: arrow})
			arrow = ""
			continue
		}
		if p.Note != "" {
			out = append(out, box{id: d.name, text: d.name + "\n" + p.Note, verdict: p.Decision.Verdict, arrow: arrow})
			arrow = p.Decision.Verdict
		}
		for i, t := range p.Tiers {
			out = append(out, box{
				id: fmt.Sprintf("%s%d", d.name, i), text: d.name + ", tier " + t.Tier + "\n" + t.Why,
				verdict: t.Outcome, arrow: arrow,
			})
			arrow = t.Outcome
		}
		if p.Decision.Tier == "default" && len(p.Tiers) > 0 {
			out = append(out, box{
				id: d.name + "default", text: d.name + ", default\nno tier decides", verdict: p.Decision.Verdict, arrow: arrow,
			})
			arrow = p.Decision.Verdict
		}
		if p.Decision.Verdict == "deny" {
			return append(out, box{id: "dropped", text: "dropped", verdict: "deny", arrow: "deny"})
		}
	}
	return append(out, box{id: "dst", text: x.Dst, verdict: x.Verdict, arrow: arrow})
}

var fills = map[string]string{"allow": "#d5f0d5", "deny": "#f8d4d4", "pass": "#f6ecc8"}

// Mermaid draws the way as a Mermaid flowchart.
func (x *Explanation) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	text := strings.NewReplacer(`"`, "#quot;", "\n", "<br/>")
	prev := ""
	for _, s := range x.boxes() {
		fmt.Fprintf(&b, "  %s[\"%s\"]\n", s.id, text.Replace(s.text))
		if prev != "" {
			arrow := "-->"
			if s.arrow != "" {
				arrow = "-- " + text.Replace(s.arrow) + " -->"
			}
			fmt.Fprintf(&b, "  %s %s %s\n", prev, arrow, s.id)
		}
		if s.verdict != "" {
			fmt.Fprintf(&b, "  style %s fill:%s\n", s.id, fills[s.verdict])
		}
		prev = s.id
	}
	return b.String()
}

// DOT draws the way in Graphviz' language.
func (x *Explanation) DOT() string {
	var b strings.Builder
	b.WriteString("digraph way {\n  node [shape=box, style=\"rounded,filled\", fillcolor=white];\n")
	prev := ""
	for _, s := range x.boxes() {
		fill := ""
		if s.verdict != "" {
			fill = fmt.Sprintf(", fillcolor=%q", fills[s.verdict])
		}
		fmt.Fprintf(&b, "  %s [label=%q%s];\n", s.id, s.text, fill)
		if prev != "" {
			fmt.Fprintf(&b, "  %s -> %s [label=%q];\n", prev, s.id, s.arrow)
		}
		prev = s.id
	}
	b.WriteString("}\n")
	return b.String()
}
