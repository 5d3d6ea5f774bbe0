package corpus

import (
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// explanations are the differences in which the list departs from the API's
// documentation, or the API leaves a choice and Sluice makes another.
var explanations = []struct {
	directory string
	why       string
	covers    func(*model.Snapshot, Difference) bool
}{
	{
		directory: "semanticDiff-same-topologies-old3",
		why: "Its pods are on the host network, and the list treats them like any pod. The concept page \"Network Policies\" " +
			"leaves NetworkPolicy on them undefined and calls ignoring them, their traffic being the node's, the most common; " +
			"ClusterNetworkPolicy says outright that they are neither subjects nor pod peers.",
		covers: func(s *model.Snapshot, d Difference) bool {
			return d.Allowed && (onHostNetwork(s, d.Src) || onHostNetwork(s, d.Dst))
		},
	},
}

// onHostNetwork reports whether all pods of the workload are.
func onHostNetwork(s *model.Snapshot, p Peer) bool {
	found := false
	for i := range s.Pods {
		pod := &s.Pods[i]
		kind, name, _ := strings.Cut(pod.Workload, "/")
		if pod.Namespace != p.Namespace || kind != p.Kind || name != p.Name {
			continue
		}
		if !pod.HostNetwork {
			return false
		}
		found = true
	}
	return found
}

// repairs put right what the API server would refuse and the list's author
// read anyway.
var repairs = map[string]repair{
	"netpol_named_port_test": {
		file: "pods.yaml", from: "containerport:", to: "containerPort:",
		why: "containerPort is required, and field names have exactly one spelling",
	},
	"example_pods_w_same_owner_and_labels_gap_anp_good":  kindlessOwner,
	"example_pods_w_same_owner_and_labels_gap_banp_good": kindlessOwner,
}

type repair struct{ file, from, to, why string }

var kindlessOwner = repair{
	file: "pods.yaml", from: "- name: internal-security", to: "- kind: Pod\n      name: internal-security",
	why: "an owner reference must have a kind",
}
