package source

import (
	"slices"
	"strings"
)

// workloadKey identifies a workload.
type workloadKey struct{ namespace, kind, name string }

// resolveOwners finds the top-level workload of every pod and notes which
// workloads have pods.
func (a *assembler) resolveOwners() {
	byKey := a.workloadsByKey()
	for i := range a.pods {
		p := &a.pods[i]
		key := workloadKey{p.pod.Namespace, "Pod", p.pod.Name}
		// A static pod is owned by its node, which is no workload. An owner
		// without a kind, which the API server refuses, says nothing.
		if p.owner.name != "" && p.owner.kind != "" && p.owner.kind != "Node" {
			key = workloadKey{p.pod.Namespace, p.owner.kind, p.owner.name}
			key = a.climb(key, byKey, p.hash)
		}
		p.pod.Workload = key.kind + "/" + key.name
		a.out.Pods = append(a.out.Pods, p.pod)
	}
}

func (a *assembler) workloadsByKey() map[workloadKey]int {
	byKey := make(map[workloadKey]int, len(a.workloads))
	for i := range a.workloads {
		byKey[a.workloads[i].key()] = i
	}
	return byKey
}

func (w *workloadRecord) key() workloadKey {
	return workloadKey{w.standIn.Namespace, w.kind, w.standIn.Name}
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
		owner := a.workloads[i].owner
		if owner.name == "" || !managedBy(key.kind, owner.kind) {
			return key
		}
		key = workloadKey{key.namespace, owner.kind, owner.name}
	}
	return key
}

// managedBy reports whether an owner of this kind makes the pods of kind. A
// Deployment that belongs to some operator's object is the workload itself;
// a ReplicaSet or Job that belongs to anything is only a step of it.
func managedBy(kind, owner string) bool {
	return kind == "ReplicaSet" || kind == "Job" || slices.Contains(inventoryKinds, owner)
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
		kind, name, _ := strings.Cut(p.pod.Workload, "/")
		used[workloadKey{p.pod.Namespace, kind, name}] = true
		used[workloadKey{p.pod.Namespace, p.owner.kind, p.owner.name}] = true
	}
	for i := range a.workloads {
		w := &a.workloads[i]
		_, owned := byKey[workloadKey{w.standIn.Namespace, w.owner.kind, w.owner.name}]
		if owned || w.retired || used[w.key()] {
			continue
		}
		a.out.Pods = append(a.out.Pods, w.standIn)
	}
}
