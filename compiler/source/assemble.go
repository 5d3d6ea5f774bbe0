package source

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/compiler/source/object"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// assembler puts together what the documents gave: it settles what can only
// be told with all of them at hand.
type assembler struct {
	out       model.Snapshot
	pods      []object.Pod
	workloads []object.Workload
	diags     diag.List
}

// assemble makes the snapshot. Everything is ordered by position first, so
// that "the first of two" means the same in every run.
func assemble(files []*file) (*model.Snapshot, diag.List) {
	a := &assembler{}
	for _, f := range files {
		a.diags = append(a.diags, f.missing()...)
		for _, b := range f.batches {
			a.diags = append(a.diags, b.Diags...)
			a.out.Policies = append(a.out.Policies, b.Policies...)
			a.out.Namespaces = append(a.out.Namespaces, b.Namespaces...)
			a.out.Nodes = append(a.out.Nodes, b.Nodes...)
			a.out.Services = append(a.out.Services, b.Services...)
			a.pods = append(a.pods, b.Pods...)
			a.workloads = append(a.workloads, b.Workloads...)
		}
	}
	a.out.Inputs = inputs(files)
	a.dropTwins()
	a.resolveOwners()
	a.addStandIns()
	a.addNodes()
	a.checkAddresses()
	a.addNamespaces()
	a.sort()
	return &a.out, a.diags
}

// missing reports a file that was named explicitly, or standard input, and
// holds nothing: most likely what should have written it failed.
func (f *file) missing() diag.List {
	if !f.explicit || f.manifests() > 0 {
		return nil
	}
	for _, b := range f.batches {
		if b.Diags.Has(diag.Error) {
			return nil
		}
	}
	return diag.List{{
		Code: object.CodeNoManifest, Severity: diag.Error, Pos: diag.Pos{File: f.Path},
		Message: "there is no Kubernetes manifest in the input",
		Hint:    "check that what should have written it did not fail",
	}}
}

// dropTwins keeps the first of several objects of one identity.
func (a *assembler) dropTwins() {
	a.out.Policies = unique(a, a.out.Policies,
		func(p *model.Policy) (string, *diag.Pos) { return p.Ref(), &p.Pos }, true)
	a.out.Namespaces = unique(a, a.out.Namespaces,
		func(n *model.Namespace) (string, *diag.Pos) { return "Namespace/" + n.Name, &n.Pos }, false)
	a.out.Nodes = unique(a, a.out.Nodes,
		func(n *model.Node) (string, *diag.Pos) { return "Node/" + n.Name, &n.Pos }, false)
	a.out.Services = unique(a, a.out.Services,
		func(s *model.Service) (string, *diag.Pos) {
			return object.Ref("Service", s.Namespace, s.Name, true), &s.Pos
		}, false)
	a.pods = unique(a, a.pods,
		func(p *object.Pod) (string, *diag.Pos) {
			return object.Ref("Pod", p.Model.Namespace, p.Model.Name, true), &p.Model.Pos
		}, false)
	a.workloads = unique(a, a.workloads,
		func(w *object.Workload) (string, *diag.Pos) {
			return object.Ref(w.Kind, w.StandIn.Namespace, w.StandIn.Name, true), &w.StandIn.Pos
		}, false)
}

// unique drops objects whose identity an earlier one has. Inventory that
// says the same twice is harmless; two policies never are, even if equal:
// which of them will be edited next?
func unique[T any](a *assembler, all []T, id func(*T) (string, *diag.Pos), policies bool) []T {
	first := make(map[string]int, len(all))
	kept := all[:0]
	for i := range all {
		key, pos := id(&all[i])
		at, twice := first[key]
		if !twice {
			first[key] = len(kept)
			kept = append(kept, all[i])
			continue
		}
		_, firstPos := id(&kept[at])
		f := diag.Diagnostic{
			Code: object.CodeObjectTwin, Severity: diag.Error, Pos: *pos, Object: key,
			Message: fmt.Sprintf("defined before at %s, and differently", firstPos),
			Hint:    "remove or rename one of them",
		}
		if policies {
			f.Code, f.Message = object.CodeDuplicate, fmt.Sprintf("a policy of this name is defined at %s", firstPos)
		} else if sameButPos(all[i], kept[at], id) {
			f.Severity, f.Message = diag.Warning, fmt.Sprintf("defined before at %s, and equally", firstPos)
		}
		a.diags.Add(f)
	}
	return kept
}

// sameButPos compares copies of two objects without their positions.
func sameButPos[T any](x, y T, id func(*T) (string, *diag.Pos)) bool {
	_, px := id(&x)
	_, py := id(&y)
	*px, *py = diag.Pos{}, diag.Pos{}
	return reflect.DeepEqual(x, y)
}

// checkAddresses reports addresses that belong to two live ends: verdicts
// about them would depend on which one is meant.
func (a *assembler) checkAddresses() {
	nodes := map[netip.Addr]*model.Node{}
	for i := range a.out.Nodes {
		for _, addr := range a.out.Nodes[i].Addresses {
			nodes[addr] = &a.out.Nodes[i]
		}
	}
	pods := make(map[netip.Addr]*model.Pod, len(a.out.Pods))
	for i := range a.out.Pods {
		p := &a.out.Pods[i]
		if p.Finished || p.HostNetwork || p.StandIn {
			continue
		}
		for _, addr := range p.Addresses {
			if n := nodes[addr]; n != nil {
				a.addressTwice(p, addr, "Node/"+n.Name, n.Pos)
			}
			if q := pods[addr]; q != nil {
				a.addressTwice(p, addr, object.Ref("Pod", q.Namespace, q.Name, true), q.Pos)
				continue
			}
			pods[addr] = p
		}
	}
}

func (a *assembler) addressTwice(p *model.Pod, addr netip.Addr, other string, at diag.Pos) {
	a.diags.Add(diag.Diagnostic{
		Code: object.CodeAddress, Severity: diag.Error, Pos: p.Pos, Object: object.Ref("Pod", p.Namespace, p.Name, true),
		Message: fmt.Sprintf("address %s is also that of %s at %s", addr, other, at),
		Hint:    "take all objects from one moment of one cluster, or set hostNetwork where it is meant",
	})
}

// addNodes adds the nodes that pods are scheduled to and no Node describes.
func (a *assembler) addNodes() {
	known := make(map[string]int, len(a.out.Nodes))
	for i := range a.out.Nodes {
		known[a.out.Nodes[i].Name] = -1
	}
	for i := range a.pods {
		p := &a.pods[i]
		if p.Model.Node == "" {
			continue
		}
		at, ok := known[p.Model.Node]
		if !ok {
			at = len(a.out.Nodes)
			known[p.Model.Node] = at
			a.out.Nodes = append(a.out.Nodes, model.Node{Name: p.Model.Node, Pos: p.Model.Pos})
		}
		if at < 0 || p.Model.Finished {
			continue // described, or the address may be another node's by now
		}
		n := &a.out.Nodes[at]
		addrs := p.HostIPs
		if p.Model.HostNetwork {
			addrs = slices.Concat(addrs, p.Model.Addresses)
		}
		for _, addr := range addrs {
			if !slices.Contains(n.Addresses, addr) {
				n.Addresses = append(n.Addresses, addr)
			}
		}
	}
}

// addNamespaces adds the namespaces that other objects live in and no
// Namespace describes, and says where a policy's is probably misspelt.
func (a *assembler) addNamespaces() {
	known := make(map[string]bool, len(a.out.Namespaces))
	names := make([]string, 0, len(a.out.Namespaces))
	for i := range a.out.Namespaces {
		known[a.out.Namespaces[i].Name] = true
		names = append(names, a.out.Namespaces[i].Name)
	}
	described := len(names) > 0
	missing := map[string]diag.Pos{}
	mention := func(name string, pos diag.Pos) {
		if known[name] || name == "" {
			return
		}
		if first, ok := missing[name]; !ok || pos.Compare(first) < 0 {
			missing[name] = pos
		}
	}
	for i := range a.out.Policies {
		p := &a.out.Policies[i]
		mention(p.Namespace, p.Pos)
		if described && p.Namespace != "" && !known[p.Namespace] {
			hint := "add the Namespace to the input, or correct metadata.namespace"
			if s := object.Nearest(p.Namespace, names); s != "" {
				hint = fmt.Sprintf("did you mean %q?", s)
			}
			a.diags.Add(diag.Diagnostic{
				Code: object.CodeNoSuchNS, Severity: diag.Warning, Pos: p.Pos, Object: p.Ref(), Hint: hint,
				Message: fmt.Sprintf("namespace %q is not among the Namespace objects of the input", p.Namespace),
			})
		}
	}
	for i := range a.out.Pods {
		mention(a.out.Pods[i].Namespace, a.out.Pods[i].Pos)
	}
	for i := range a.out.Services {
		mention(a.out.Services[i].Namespace, a.out.Services[i].Pos)
	}
	for name, pos := range missing {
		a.out.Namespaces = append(a.out.Namespaces, model.Namespace{
			Name: name, Synthetic: true, Pos: pos,
			Labels: model.Labels{model.NamespaceNameLabel: name},
		})
	}
}

func (a *assembler) sort() {
	slices.SortFunc(a.out.Namespaces, func(x, y model.Namespace) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(a.out.Nodes, func(x, y model.Node) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(a.out.Pods, func(x, y model.Pod) int {
		return cmp.Or(strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name), strings.Compare(x.Workload, y.Workload))
	})
	slices.SortFunc(a.out.Services, func(x, y model.Service) int {
		return cmp.Or(strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name))
	})
	slices.SortFunc(a.out.Policies, func(x, y model.Policy) int {
		return cmp.Or(strings.Compare(x.Kind, y.Kind), strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name))
	})
}
