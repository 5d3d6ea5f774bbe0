package source

import (
	"slices"
	"strings"

	"github.com/sluice-net/sluice/compiler/source/object"
)

// workloadKey identifies a workload.
type workloadKey struct{ namespace, kind, name string }

// resolveOwners finds the top-level workload of every pod and notes which
// workloads have pods.
func (a *assembler) resolveOwners() {
	byKey := a.workloadsByKey()
	for i := range a.pods {
		p := &a.pods[i]
		key := workloadKey{p.Model.Namespace, "Pod", p.Model.Name}
		// A static pod is owned by its node, which is no workload. An owner
		// without a kind, which the API server refuses, says nothing.
		if p.Owner.Name != "" && p.Owner.Kind != "" && p.Owner.Kind != "Node" {
			key = workloadKey{p.Model.Namespace, p.Owner.Kind, p.Owner.Name}
			key = a.climb(key, byKey, p.Hash)
		}
		p.Model.Workload = key.kind + "/" + key.name
		a.out.Pods = append(a.out.Pods, p.Model)
	}
}

func (a *assembler) workloadsByKey() map[workloadKey]int {
	byKey := make(map[workloadKey]int, len(a.workloads))
	for i := range a.workloads {
		byKey[keyOf(&a.workloads[i])] = i
	}
	return byKey
}

func keyOf(w *object.Workload) workloadKey {
	return workloadKey{w.StandIn.Namespace, w.Kind, w.StandIn.Name}
}

// climb follows owners from a pod's direct owner to the top. What stands
// between a pod and its Deployment or CronJob is seldom part of manifests, so
// that where it is missing the name is taken apart as its controller made it.
func (a *assembler) climb(key workloadKey, byKey map[workloadKey]int, hash string) workloadKey {
	const longest = 8 // owners that own each other would never end
	for range longest {
		i, ok := byKey[key]
		if !ok {
			return guessOwner(key, byKey, hash)
		}
		owner := a.workloads[i].Owner
		if owner.Name == "" || !managedBy(key.kind, owner.Kind) {
			return key
		}
		key = workloadKey{key.namespace, owner.Kind, owner.Name}
	}
	return key
}

// managedBy reports whether an owner of this kind makes the pods of kind. A
// Deployment that belongs to some operator's object is the workload itself;
// a ReplicaSet or Job that belongs to anything is only a step of it.
func managedBy(kind, owner string) bool {
	return kind == "ReplicaSet" || kind == "Job" || slices.Contains(object.InventoryKinds, owner)
}

func guessOwner(key workloadKey, byKey map[workloadKey]int, hash string) workloadKey {
	switch key.kind {
	case "ReplicaSet":
		if name, ok := strings.CutSuffix(key.name, "-"+hash); ok && hash != "" && name != "" {
			return workloadKey{key.namespace, "Deployment", name}
		}
	case "Job":
		// CronJobs append the scheduled minute. Only one that is there counts:
		// a Job's own name may end in digits as well.
		if i := strings.LastIndexByte(key.name, '-'); i > 0 && strings.Trim(key.name[i+1:], "0123456789") == "" {
			cron := workloadKey{key.namespace, "CronJob", key.name[:i]}
			if _, ok := byKey[cron]; ok {
				return cron
			}
		}
	}
	return key
}

// addStandIns adds a stand-in for every workload that has no pods in the
// input and that no other workload of the input creates.
func (a *assembler) addStandIns() {
	byKey := a.workloadsByKey()
	used := map[workloadKey]bool{}
	for i := range a.pods {
		p := &a.pods[i]
		kind, name, _ := strings.Cut(p.Model.Workload, "/")
		used[workloadKey{p.Model.Namespace, kind, name}] = true
		used[workloadKey{p.Model.Namespace, p.Owner.Kind, p.Owner.Name}] = true
	}
	for i := range a.workloads {
		w := &a.workloads[i]
		_, owned := byKey[workloadKey{w.StandIn.Namespace, w.Owner.Kind, w.Owner.Name}]
		if owned || w.Retired || used[keyOf(w)] {
			continue
		}
		a.out.Pods = append(a.out.Pods, w.StandIn)
	}
}
