package rego

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// writer writes random modules out of the forms that compile, and some that
// do not.
type writer struct {
	*rand.Rand
	b       strings.Builder
	helpers int
	vars    int
}

func one[T any](w *writer, of ...T) T { return of[w.IntN(len(of))] }

func (w *writer) chance(percent int) bool { return w.IntN(100) < percent }

var values = []string{"a", "b", "c", ""}

func (w *writer) value() string { return strconv.Quote(one(w, values...)) }

func (w *writer) list() string {
	var vs []string
	for range 1 + w.IntN(3) {
		vs = append(vs, w.value())
	}
	open, end := "{", "}"
	if w.chance(40) {
		open, end = "[", "]"
	}
	return open + strings.Join(vs, ", ") + end
}

// label is a label of the end called e, which may be a helper's parameter.
func (w *writer) label(e string) string {
	key := one(w, "app", "tier")
	switch w.IntN(6) {
	case 0, 1:
		return e + ".namespace.labels." + key
	case 2:
		return fmt.Sprintf("%s.labels[%q]", e, key)
	default:
		return e + ".labels." + key
	}
}

func (w *writer) end() string { return one(w, "input.src", "input.dst") }

// condition writes lines that hold or do not hold.
func (w *writer) condition(e string, depth int) []string {
	p := w.label(e)
	switch n := w.IntN(34); {
	case n < 5:
		return []string{p + " == " + w.value()}
	case n < 6:
		return []string{w.value() + " == " + p}
	case n < 9:
		return []string{p + " in " + w.list()}
	case n < 11:
		return []string{p + " != " + w.value()}
	case n < 13:
		return []string{"not " + p + " == " + w.value()}
	case n < 15:
		return []string{"not " + p + " in " + w.list()}
	case n < 16:
		return []string{p}
	case n < 17:
		return []string{"not " + p}
	case n < 18:
		return []string{fmt.Sprintf("%s(%s, %s)", one(w, "startswith", "endswith", "contains"), p, w.value())}
	case n < 19:
		return []string{fmt.Sprintf("not startswith(%s, %s)", p, w.value())}
	case n < 20:
		return []string{fmt.Sprintf("upper(%s) == %q", p, one(w, "A", "B"))}
	case n < 21:
		w.vars++
		v := fmt.Sprintf("v%d", w.vars)
		return []string{v + " := " + p, one(w, "not "+v+" == "+w.value(), v+" != "+w.value(), "not "+v+" in "+w.list())}
	case n < 22:
		return []string{fmt.Sprintf("object.get(%s.labels, %q, %s) %s %s", e, one(w, "app", "tier"), w.value(), one(w, "==", "!="), w.value())}
	case n < 23:
		w.vars++
		return []string{fmt.Sprintf("some v%d in %s", w.vars, w.list()), fmt.Sprintf("%s == v%d", p, w.vars)}
	case n < 24:
		return []string{fmt.Sprintf("data.table[%s]", p)}
	case n < 25:
		return []string{fmt.Sprintf("data.table[%s] == %s", p, w.label(w.otherEnd(e)))}
	case n < 27:
		return []string{fmt.Sprintf("%s %s %s", p, one(w, "==", "==", "!="), w.label(w.otherEnd(e)))}
	case n < 28:
		return []string{e + ".namespace.name " + one(w, "==", "!=") + " " + one(w, `"x"`, `"w"`)}
	case n < 31 && depth > 0:
		return []string{one(w, "", "not ") + w.helper(depth-1) + "(" + e + ")"}
	case n < 33 && depth > 0:
		return []string{one(w, "", "not ") + w.rule(e, depth-1)}
	default:
		return []string{e + ".kind " + one(w, `== "pod"`, `!= "ip"`, `in {"pod", "node"}`)}
	}
}

func (w *writer) otherEnd(e string) string {
	if e == "input.src" {
		return "input.dst"
	}
	return "input.src"
}

// helper writes a function of an end.
func (w *writer) helper(depth int) string {
	w.helpers++
	name := fmt.Sprintf("f%d", w.helpers)
	var clauses []string
	for range 1 + w.IntN(2) {
		lines := []string{"e.kind"} // each clause has to use its parameter
		for range 1 + w.IntN(2) {
			lines = append(lines, w.condition("e", depth)...)
		}
		clauses = append(clauses, fmt.Sprintf("%s(e) if {\n\t%s\n}\n", name, strings.Join(lines, "\n\t")))
	}
	w.b.WriteString(strings.Join(clauses, "") + "\n")
	return name
}

// rule writes a helper without parameters.
func (w *writer) rule(e string, depth int) string {
	if !strings.HasPrefix(e, "input") {
		e = w.end()
	}
	w.helpers++
	name := fmt.Sprintf("r%d", w.helpers)
	if w.chance(30) {
		w.b.WriteString("default " + name + " := false\n\n")
	}
	var clauses []string
	for range 1 + w.IntN(2) {
		var lines []string
		for range 1 + w.IntN(2) {
			lines = append(lines, w.condition(e, depth)...)
		}
		clauses = append(clauses, fmt.Sprintf("%s if {\n\t%s\n}\n", name, strings.Join(lines, "\n\t")))
	}
	w.b.WriteString(strings.Join(clauses, "") + "\n")
	return name
}

func (w *writer) traffic() []string {
	port := one(w, "80", "443", "8080", "53")
	switch w.IntN(10) {
	case 0:
		return []string{"input.port == " + port}
	case 1:
		return []string{`input.protocol == "TCP"`, "input.port in {80, 443}"}
	case 2:
		return []string{"input.port >= 80", "input.port < " + one(w, "443", "444", "8080.5")}
	case 3:
		return []string{`[input.protocol, input.port] in {["TCP", 80], ["UDP", 53]}`}
	case 4:
		return []string{`input.protocol in {"TCP", "UDP"}`, "not input.port == " + port}
	case 5:
		return []string{"input.port in numbers.range(80, 90)"}
	case 6:
		return []string{"input.port != " + port}
	default:
		return nil
	}
}

// module writes a whole module.
func (w *writer) module() string {
	var rules strings.Builder
	for i := range 1 + w.IntN(4) {
		var lines []string
		for _, e := range []string{"input.src", "input.dst"} {
			if w.chance(65) {
				lines = append(lines, fmt.Sprintf("%s.kind == %q", e, one(w, "pod", "pod", "pod", "node")))
			}
			for range w.IntN(3) {
				lines = append(lines, w.condition(e, 2)...)
			}
		}
		lines = append(lines, w.traffic()...)
		if len(lines) == 0 {
			lines = []string{`input.protocol == "TCP"`}
		}
		fmt.Fprintf(&rules, "%s contains {\"id\": \"rule-%d\", \"priority\": %d} if {\n\t%s\n}\n\n",
			one(w, "allow", "deny", "pass"), i, w.IntN(3), strings.Join(lines, "\n\t"))
	}
	return "package sluice.segments\n\n" + w.b.String() + rules.String()
}

// randomInput is a connection between things of the snapshot.
func randomInput(w *writer, s *model.Snapshot) Input {
	end := func() Endpoint {
		switch n := w.IntN(10); {
		case n < 7:
			p := &s.Pods[w.IntN(len(s.Pods))]
			e := Endpoint{Kind: KindPod, Name: p.Name, Labels: p.Labels, Namespace: p.Namespace}
			if len(p.Addresses) > 0 {
				e.IP = p.Addresses[0]
			}
			e.NamespaceLabels = model.Labels{model.NamespaceNameLabel: p.Namespace}
			for i := range s.Namespaces {
				if s.Namespaces[i].Name == p.Namespace {
					e.NamespaceLabels = s.Namespaces[i].Labels
				}
			}
			return e
		case n < 8:
			n := &s.Nodes[w.IntN(len(s.Nodes))]
			return Endpoint{Kind: KindNode, Name: n.Name, Labels: n.Labels, IP: n.Addresses[0]}
		default:
			return Endpoint{Kind: KindIP, IP: netip.MustParseAddr("203.0.113.9")}
		}
	}
	in := Input{Src: end(), Dst: end(), Protocol: one(w, model.TCP, model.TCP, model.UDP, model.SCTP, model.ICMP)}
	if in.Protocol.HasPorts() {
		in.Port = one[uint16](w, 0, 53, 79, 80, 81, 90, 91, 443, 444, 8080, 8081, 65535)
	}
	return in
}

// randomSnapshot has pods with every mix of the labels that modules name.
func randomSnapshot(w *writer) *model.Snapshot {
	s := &model.Snapshot{}
	labels := func() model.Labels {
		l := model.Labels{}
		for _, k := range []string{"app", "tier"} {
			if w.chance(70) {
				l[k] = one(w, values...)
			}
		}
		return l
	}
	for _, name := range []string{"w", "x", "y"} {
		l := labels()
		l[model.NamespaceNameLabel] = name
		s.Namespaces = append(s.Namespaces, model.Namespace{Name: name, Labels: l})
	}
	for i := range 12 {
		s.Pods = append(s.Pods, model.Pod{
			Namespace: one(w, "w", "x", "y"), Name: fmt.Sprintf("p%d", i), Labels: labels(),
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})},
		})
	}
	for i := range 2 {
		s.Nodes = append(s.Nodes, model.Node{
			Name: fmt.Sprintf("n%d", i), Labels: labels(), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})},
		})
	}
	return s
}

// decide asks the policies, in order, about one direction.
func decide(ps []model.Policy, d model.Direction, in *Input) Outcome {
	subject, peer := &in.Dst, &in.Src
	if d == model.Egress {
		subject, peer = peer, subject
	}
	for i := range ps {
		if covers(&ps[i], d, subject, peer, in) {
			for _, r := range ps[i].Sections[d].Rules {
				return Outcome{r.Verdict, ps[i].Name}
			}
		}
	}
	return Outcome{Verdict: model.Pass}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestRandomModules compares compiled policies with full evaluation of the
// modules, on connections that compilation did not choose.
// SLUICE_REGO_MODULES and SLUICE_REGO_INPUTS say how many; SLUICE_REGO_SEED
// where to begin.
func TestRandomModules(t *testing.T) {
	modules, inputs := number("SLUICE_REGO_MODULES", 150), number("SLUICE_REGO_INPUTS", 100)
	first := number("SLUICE_REGO_SEED", 1)
	compiled, matched, asked := 0, 0, 0
	refused := map[string]int{}
	for seed := first; seed < first+modules; seed++ {
		w := &writer{Rand: rand.New(rand.NewPCG(uint64(seed), 7))}
		text, s := w.module(), randomSnapshot(w)
		m, ds := load(t, text, "table: {a: b, b: c}\nsluice: {config: {default: "+one(w, "allow", "deny", "pass")+"}}\n")
		ps, more := m.Compile(context.Background(), NewInventory(s))
		ds = append(ds, more...)
		if ds.Has(diag.Error) {
			for _, d := range ds {
				if d.Code == codeDisagree || d.Code == codeInvalid || d.Code == codeSyntax {
					t.Errorf("seed %d: %v\n%s", seed, d, text)
				}
				refused[d.Code]++
			}
			continue
		}
		compiled++
		e, err := m.NewEvaluator()
		if err != nil {
			t.Fatal(err)
		}
		for range inputs {
			in := randomInput(w, s)
			want, err := e.Decide(context.Background(), &in)
			if err != nil {
				t.Fatal(err)
			}
			for d, end := range map[model.Direction]*Endpoint{model.Egress: &in.Src, model.Ingress: &in.Dst} {
				if end.Kind != KindPod {
					continue
				}
				asked++
				if want.ID != "" && want.ID != reservedID {
					matched++
				}
				if got := decide(ps, d, &in); got != want {
					t.Fatalf("seed %d: %v of %v: %v, want %v\n%s\n%s", seed, d, &in, got, want, text, show(ps))
				}
			}
		}
	}
	t.Logf("%d of %d modules compiled; %d of %d questions matched a rule; findings of the others: %v", compiled, modules, matched, asked, refused)
	if compiled < modules/4 || matched < asked/20 {
		t.Error("too little was compared")
	}
}

// TestCheckFinds turns off what keeps variables defined. Partial evaluation is
// wrong then, in more than a quarter of the modules; the check of each compile
// has to find it in 99 of 100.
func TestCheckFinds(t *testing.T) {
	modules, first := number("SLUICE_REGO_MODULES", 300), number("SLUICE_REGO_SEED", 1)
	found, missed, compiled := 0, 0, 0
	for seed := first; seed < first+modules; seed++ {
		w := &writer{Rand: rand.New(rand.NewPCG(uint64(seed), 7))}
		text, s := w.module(), randomSnapshot(w)
		m, ds := load(t, text, "table: {a: b, b: c}\n")
		m.unmarked = true
		ps, more := m.Compile(context.Background(), NewInventory(s))
		if ds = append(ds, more...); ds.Has(diag.Error) {
			for _, d := range ds {
				if d.Code == codeDisagree {
					found++
					break
				}
			}
			continue
		}
		compiled++
		e, err := m.NewEvaluator()
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			in := randomInput(w, s)
			want, err := e.Decide(context.Background(), &in)
			if err != nil {
				t.Fatal(err)
			}
			wrong := in.Src.Kind == KindPod && decide(ps, model.Egress, &in) != want ||
				in.Dst.Kind == KindPod && decide(ps, model.Ingress, &in) != want
			if wrong {
				missed++
				t.Logf("seed %d: the check did not find it: %v\n%s", seed, &in, text)
				break
			}
		}
	}
	t.Logf("%d of %d modules compiled, %d disagreements found, %d missed", compiled, modules, found, missed)
	if found == 0 || missed > 1+found/100 {
		t.Error("the check is too weak")
	}
}
