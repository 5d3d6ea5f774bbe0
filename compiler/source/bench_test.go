package source

import (
	"bytes"
	"fmt"
	"testing"
	"testing/fstest"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// policyYAML and podYAML are as long and as deep as what teams write and what
// kubectl prints, without managedFields.
const policyYAML = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-%[1]d
  namespace: team-%[2]d
  labels:
    app.kubernetes.io/managed-by: gitops
spec:
  podSelector:
    matchLabels:
      app: app-%[3]d
  policyTypes:
  - Ingress
  - Egress
  ingress:
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: team-%[4]d
      podSelector:
        matchExpressions:
        - {key: tier, operator: In, values: [web, api]}
    - ipBlock:
        cidr: 10.%[5]d.0.0/16
        except:
        - 10.%[5]d.4.0/24
    ports:
    - protocol: TCP
      port: 8080
    - port: metrics
  egress:
  - to:
    - podSelector: {}
  - ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
`

const podYAML = `---
apiVersion: v1
kind: Pod
metadata:
  name: app-%[3]d-%[1]d
  namespace: team-%[2]d
  labels:
    app: app-%[3]d
    tier: web
    pod-template-hash: 5d4f8c7b9
  ownerReferences:
  - apiVersion: apps/v1
    kind: ReplicaSet
    name: app-%[3]d-5d4f8c7b9
    uid: 8b1c6f8e-0000-4000-8000-000000000000
    controller: true
    blockOwnerDeletion: true
spec:
  nodeName: node-%[4]d
  serviceAccountName: default
  containers:
  - name: app
    image: "registry.example.com/team/app:1.%[3]d"
    imagePullPolicy: IfNotPresent
    args: ["--listen=:8080", "--verbose"]
    env:
    - name: POD_NAME
      valueFrom:
        fieldRef:
          apiVersion: v1
          fieldPath: metadata.name
    ports:
    - containerPort: 8080
      name: http
      protocol: TCP
    - containerPort: 9090
      name: metrics
      protocol: TCP
    resources:
      limits:
        cpu: 500m
        memory: 256Mi
      requests:
        cpu: 100m
        memory: 128Mi
    volumeMounts:
    - mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      name: kube-api-access
      readOnly: true
  tolerations:
  - effect: NoExecute
    key: node.kubernetes.io/not-ready
    operator: Exists
    tolerationSeconds: 300
status:
  phase: Running
  hostIP: 192.168.%[5]d.%[4]d
  podIP: 10.%[6]d.%[7]d.%[8]d
  podIPs:
  - ip: 10.%[6]d.%[7]d.%[8]d
`

// benchInput returns the three inputs of the design's speed bar.
func benchInput(policies, pods, namespaces int) fstest.MapFS {
	var ns, np, pod bytes.Buffer
	for i := range namespaces {
		fmt.Fprintf(&ns, "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-%d\n  labels:\n    tenant: t-%d\n", i, i%20)
	}
	for i := range policies {
		fmt.Fprintf(&np, policyYAML, i, i%namespaces, i%50, (i+1)%namespaces, i%250)
	}
	for i := range pods {
		fmt.Fprintf(&pod, podYAML, i, i%namespaces, i%50, i%200, 1, 1+i/62500, i/250%250, 1+i%250)
	}
	return fstest.MapFS{
		"namespaces.yaml": {Data: ns.Bytes()},
		"policies.yaml":   {Data: np.Bytes()},
		"pods.yaml":       {Data: pod.Bytes()},
	}
}

// asList returns multi-document YAML as one List, as kubectl get prints it.
func asList(src []byte) []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: v1\nitems:\n")
	for _, doc := range bytes.Split(src, []byte("---\n"))[1:] {
		dash := "- "
		for line := range bytes.Lines(doc) {
			b.WriteString(dash)
			b.Write(line)
			dash = "  "
		}
	}
	b.WriteString("kind: List\nmetadata:\n  resourceVersion: \"\"\n")
	return b.Bytes()
}

// asJSON returns a YAML List as JSON.
func asJSON(b testing.TB, src []byte) []byte {
	b.Helper()
	out, err := utilyaml.ToJSON(src)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		fsys := benchInput(n, n, 500)
		b.Run(fmt.Sprintf("documents/n=%d", n), func(b *testing.B) { benchmarkLoad(b, fsys, n) })
		lists := fstest.MapFS{}
		for name, f := range fsys {
			lists[name] = &fstest.MapFile{Data: asList(f.Data)}
		}
		b.Run(fmt.Sprintf("list/n=%d", n), func(b *testing.B) { benchmarkLoad(b, lists, n) })
		jsons := fstest.MapFS{}
		for name, f := range lists {
			jsons[name] = &fstest.MapFile{Data: asJSON(b, f.Data)}
		}
		b.Run(fmt.Sprintf("json/n=%d", n), func(b *testing.B) { benchmarkLoad(b, jsons, n) })
	}
}

func benchmarkLoad(b *testing.B, fsys fstest.MapFS, n int) {
	size := 0
	for _, f := range fsys {
		size += len(f.Data)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		s, diags, err := LoadFS(fsys, Options{})
		if err != nil || len(diags) > 0 || len(s.Policies) != n || len(s.Pods) != n {
			b.Fatal(len(s.Policies), len(s.Pods), diags, err)
		}
	}
}
