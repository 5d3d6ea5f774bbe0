package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// workload is a Deployment, StatefulSet or CronJob of the manifests.
type workload struct {
	apiVersion string
	kind       string
	namespace  string
	name       string
	replicas   int
	labels     map[string]string
	spec       map[string]any // of its pods
	ports      []port
}

// port is a port that the workload's pods declare.
type port struct {
	name     string
	protocol uint8
	number   uint16
}

// letter stands for the port in the table's head.
func (p port) letter() string {
	if p.protocol == probe.ICMP {
		return "i"
	}
	return p.name[:1]
}

// String returns "http 8080/TCP".
func (p port) String() string {
	switch p.protocol {
	case probe.ICMP:
		return "ICMP"
	case probe.UDP:
		return fmt.Sprintf("%s %d/UDP", p.name, p.number)
	default:
		return fmt.Sprintf("%s %d/TCP", p.name, p.number)
	}
}

// template is a pod template as manifests have it.
type template struct {
	Metadata struct {
		Labels map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
	Spec yaml.Node `yaml:"spec"`
}

// manifest is what the demo reads of a document.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		Replicas    *int     `yaml:"replicas"`
		Template    template `yaml:"template"`
		JobTemplate struct {
			Spec struct {
				Template template `yaml:"template"`
			} `yaml:"spec"`
		} `yaml:"jobTemplate"`
	} `yaml:"spec"`
}

// readWorkloads returns the workloads of the manifests in a directory, in the
// order of its kustomization.yaml.
func readWorkloads(fsys fs.FS, dir string) ([]workload, error) {
	b, err := fs.ReadFile(fsys, path.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Resources []string `yaml:"resources"`
	}
	if err := yaml.Unmarshal(b, &kustomization); err != nil {
		return nil, fmt.Errorf("kustomization.yaml: %w", err)
	}
	var out []workload
	for _, file := range kustomization.Resources {
		b, err := fs.ReadFile(fsys, path.Join(dir, file))
		if err != nil {
			return nil, err
		}
		for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
			var m manifest
			if err := d.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			w, ok, err := m.workload()
			if err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", file, m.Kind, m.Metadata.Name, err)
			}
			if ok {
				out = append(out, w)
			}
		}
	}
	return out, nil
}

// workload returns the workload that the document is, if it is one.
func (m *manifest) workload() (workload, bool, error) {
	w := workload{
		apiVersion: m.APIVersion, kind: m.Kind,
		namespace: m.Metadata.Namespace, name: m.Metadata.Name, replicas: 1,
	}
	t := &m.Spec.Template
	switch m.Kind {
	case "Deployment", "StatefulSet":
		if m.Spec.Replicas != nil {
			w.replicas = *m.Spec.Replicas
		}
	case "CronJob":
		t = &m.Spec.JobTemplate.Spec.Template
	default:
		return w, false, nil
	}
	w.labels = t.Metadata.Labels
	if err := t.Spec.Decode(&w.spec); err != nil {
		return w, false, err
	}
	var containers struct {
		Containers []struct {
			Ports []struct {
				Name     string `yaml:"name"`
				Number   uint16 `yaml:"containerPort"`
				Protocol string `yaml:"protocol"`
			} `yaml:"ports"`
		} `yaml:"containers"`
	}
	if err := t.Spec.Decode(&containers); err != nil {
		return w, false, err
	}
	for _, c := range containers.Containers {
		for _, p := range c.Ports {
			protocol := probe.TCP
			if p.Protocol == "UDP" {
				protocol = probe.UDP
			}
			if p.Name == "" {
				p.Name = "?"
			}
			w.ports = append(w.ports, port{p.Name, protocol, p.Number})
		}
	}
	return w, true, nil
}

// object is any Kubernetes object or part of one.
type object = map[string]any

// podObject is the Pod that the API server would have for a replica.
func (w *workload) podObject(name, node string, addrs []netip.Addr) object {
	spec := object{"nodeName": node}
	for k, v := range w.spec {
		spec[k] = v
	}
	ips := make([]object, len(addrs))
	for i, a := range addrs {
		ips[i] = object{"ip": a.String()}
	}
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{
			"name": name, "namespace": w.namespace, "labels": w.labels,
			"ownerReferences": []object{{"apiVersion": w.apiVersion, "kind": w.kind, "name": w.name, "uid": "demo-" + w.name, "controller": true}},
		},
		"spec":   spec,
		"status": object{"phase": "Running", "podIP": addrs[0].String(), "podIPs": ips},
	}
}

// nodeObject is the Node that the API server would have.
func nodeObject(name string, addrs []netip.Addr, cidrs []netip.Prefix) object {
	var addresses []object
	for _, a := range addrs {
		addresses = append(addresses, object{"type": "InternalIP", "address": a.String()})
	}
	var ranges []string
	for _, c := range cidrs {
		ranges = append(ranges, c.String())
	}
	return object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": object{"name": name},
		"spec":     object{"podCIDR": ranges[0], "podCIDRs": ranges},
		"status":   object{"addresses": addresses},
	}
}

// writeObjects renders objects as a YAML stream.
func writeObjects(objects []object) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	for _, o := range objects {
		if err := e.Encode(o); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), e.Close()
}
