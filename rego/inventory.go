package rego

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/sluice-net/sluice/internal/model"
)

// Inventory is what a cluster has: the values that comparisons between the two
// ends, and conditions on parts of a value, are worked out for. It is safe for
// concurrent use as long as the snapshot does not change.
type Inventory struct {
	snap *model.Snapshot

	mu     sync.Mutex
	labels map[string][]string // values of a label of pods and nodes
	ns     map[string][]string // values of a label of namespaces

	once       sync.Once
	namespaces []string
	pods       []netip.Addr // sorted
	nodes      []netip.Addr // sorted
}

// NewInventory returns the inventory of s, which must not change afterwards.
func NewInventory(s *model.Snapshot) *Inventory {
	return &Inventory{snap: s, labels: map[string][]string{}, ns: map[string][]string{}}
}

// governed reports whether policies see the pod as a pod.
func governed(p *model.Pod) bool { return !p.HostNetwork && !p.Finished }

func (v *Inventory) prepare() {
	names := map[string]bool{}
	for i := range v.snap.Namespaces {
		names[v.snap.Namespaces[i].Name] = true
	}
	for i := range v.snap.Pods {
		p := &v.snap.Pods[i]
		names[p.Namespace] = true
		if governed(p) {
			v.pods = append(v.pods, p.Addresses...)
		}
	}
	for i := range v.snap.Nodes {
		v.nodes = append(v.nodes, v.snap.Nodes[i].Addresses...)
	}
	v.namespaces = sortedKeys(names)
	slices.SortFunc(v.pods, netip.Addr.Compare)
	slices.SortFunc(v.nodes, netip.Addr.Compare)
}

// values returns what the inventory has of an unknown, sorted. A namespace
// also has the name "", that of nodes and addresses.
func (v *Inventory) values(p unknown) []string {
	v.once.Do(v.prepare)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch p.field {
	case fieldNamespace:
		return append([]string{""}, v.namespaces...)
	case fieldNamespaceLabel:
		if p.key == model.NamespaceNameLabel {
			return v.namespaces
		}
		return memo(v.ns, p.key, func(add func(string)) {
			for i := range v.snap.Namespaces {
				if value, ok := v.snap.Namespaces[i].Labels[p.key]; ok {
					add(value)
				}
			}
		})
	case fieldLabel:
		return memo(v.labels, p.key, func(add func(string)) {
			for i := range v.snap.Pods {
				if value, ok := v.snap.Pods[i].Labels[p.key]; ok {
					add(value)
				}
			}
			for i := range v.snap.Nodes {
				if value, ok := v.snap.Nodes[i].Labels[p.key]; ok {
					add(value)
				}
			}
		})
	default:
		return nil
	}
}

func memo(m map[string][]string, key string, each func(add func(string))) []string {
	if found, ok := m[key]; ok {
		return found
	}
	set := map[string]bool{}
	each(func(s string) {
		if validLabelValue(s) {
			set[s] = true
		}
	})
	m[key] = sortedKeys(set)
	return m[key]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// podIn returns a pod's address in s, or a range that pods get theirs from.
func (v *Inventory) podIn(s addrSet) (string, bool) {
	v.once.Do(v.prepare)
	for i := range v.snap.Nodes {
		for _, c := range v.snap.Nodes[i].PodCIDRs {
			if s.overlaps(c) {
				return "the pod range " + c.String() + " of node " + v.snap.Nodes[i].Name, true
			}
		}
	}
	for _, a := range v.pods {
		if s.contains(a) {
			return "the pod address " + a.String(), true
		}
	}
	return "", false
}

// nodeIn returns a node's address in s.
func (v *Inventory) nodeIn(s addrSet) (string, bool) {
	v.once.Do(v.prepare)
	for _, a := range v.nodes {
		if s.contains(a) {
			return "the node address " + a.String(), true
		}
	}
	return "", false
}

// validLabelValue reports whether Kubernetes accepts s as a label's value.
func validLabelValue(s string) bool {
	if len(s) > 63 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		inner := i > 0 && i < len(s)-1 && (c == '-' || c == '_' || c == '.')
		if !alnum && !inner {
			return false
		}
	}
	return true
}

// validLabelKey reports whether s could be a label's key.
func validLabelKey(s string) bool {
	if s == "" || len(s) > 253+1+63 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '/' {
			return false
		}
	}
	return true
}
