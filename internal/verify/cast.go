package verify

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// outside are addresses that a cluster hardly has; those that it has are not
// used (RFC 5737, RFC 3849).
var outside = []netip.Addr{netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("2001:db8:77::77")}

// cast are the ends that questions are asked with: for each kind of pod two of
// them, the nodes, pods on their networks, and addresses of nobody.
type cast struct {
	eval  *oracle.Evaluator
	kinds []kind
	// all and byNamespace are indices of kinds, ascending.
	all         []int
	byNamespace map[string][]int
	memo        map[string]selection // by selectors
	nodes       []oracle.End
	hostPods    []oracle.End
	strangers   []oracle.End
}

// kind is pods that agree in all that a policy could look at: namespace, labels
// and ports. It is told by the pods alone, not by the compiler's classes.
type kind struct {
	ends  []oracle.End // of one pod, and of a second where there is one
	other []oracle.End
}

func newCast(s *model.Snapshot, eval *oracle.Evaluator) *cast {
	c := &cast{eval: eval, byNamespace: map[string][]int{}, memo: map[string]selection{}}
	at := map[string]int{}
	// Pods in the order of their names, so that a question does not depend on
	// the order of files.
	pods := make([]*model.Pod, 0, len(s.Pods))
	for i := range s.Pods {
		pods = append(pods, &s.Pods[i])
	}
	slices.SortFunc(pods, func(a, b *model.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Workload, b.Workload))
	})
	for _, p := range pods {
		switch {
		case p.Finished:
		case p.HostNetwork:
			if len(c.hostPods) < 3 {
				c.hostPods = append(c.hostPods, endsOf(p)...)
			}
		default:
			key := fingerprint(p)
			i, ok := at[key]
			if !ok {
				at[key] = len(c.kinds)
				c.byNamespace[p.Namespace] = append(c.byNamespace[p.Namespace], len(c.kinds))
				c.all = append(c.all, len(c.kinds))
				c.kinds = append(c.kinds, kind{ends: endsOf(p)})
			} else if c.kinds[i].other == nil {
				c.kinds[i].other = endsOf(p)
			}
		}
	}
	nodes := make([]*model.Node, 0, len(s.Nodes))
	for i := range s.Nodes {
		nodes = append(nodes, &s.Nodes[i])
	}
	slices.SortFunc(nodes, func(a, b *model.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range nodes {
		if len(n.Addresses) == 0 {
			c.nodes = append(c.nodes, oracle.End{Node: n})
		}
		for _, a := range n.Addresses {
			c.nodes = append(c.nodes, oracle.End{Node: n, Addr: a})
		}
	}
	for _, a := range outside {
		c.strangers = append(c.strangers, eval.At(a))
	}
	return c
}

// fingerprint tells what a policy could see of a pod.
func fingerprint(p *model.Pod) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %t", p.Namespace, p.StandIn)
	for _, k := range slices.Sorted(maps.Keys(p.Labels)) {
		fmt.Fprintf(&b, "\x00%s=%s", k, p.Labels[k])
	}
	for _, cp := range p.Ports {
		if cp.Name != "" {
			fmt.Fprintf(&b, "\x01%s %d %d", cp.Name, cp.Number, cp.Protocol)
		}
	}
	return b.String()
}

func endsOf(p *model.Pod) []oracle.End {
	if len(p.Addresses) == 0 {
		return []oracle.End{{Pod: p}}
	}
	out := make([]oracle.End, len(p.Addresses))
	for i, a := range p.Addresses {
		out[i] = oracle.End{Pod: p, Addr: a}
	}
	return out
}

// selected returns the kinds that a pair of selectors matches, and one that it
// does not match: one in a namespace that it does match where there is one.
func (c *cast) selected(ns model.NamespaceMatch, sel model.Selector) (in []int, out *kind) {
	if len(c.kinds) == 0 {
		return nil, nil
	}
	key := ns.String() + "/" + sel.String()
	found, ok := c.memo[key]
	if !ok {
		found.in, found.out = c.search(ns, sel)
		c.memo[key] = found
	}
	return found.in, found.out
}

// selection is what selected has found.
type selection struct {
	in  []int
	out *kind
}

func (c *cast) search(ns model.NamespaceMatch, sel model.Selector) (in []int, out *kind) {
	candidates := c.all
	if ns.Name != "" {
		candidates = c.byNamespace[ns.Name]
	}
	near := false
	for _, i := range candidates {
		p := c.kinds[i].ends[0].Pod
		switch {
		case c.eval.Selects(ns, sel, p):
			in = append(in, i)
		case out == nil, !near && c.eval.Selects(ns, model.Selector{}, p):
			near = c.eval.Selects(ns, model.Selector{}, p)
			out = &c.kinds[i]
		}
	}
	if out == nil && ns.Name != "" {
		// Kinds are sorted by namespace: the first or the last is elsewhere,
		// unless there is one namespace only.
		for _, k := range []*kind{&c.kinds[0], &c.kinds[len(c.kinds)-1]} {
			if k.ends[0].Pod.Namespace != ns.Name {
				return in, k
			}
		}
	}
	return in, out
}
