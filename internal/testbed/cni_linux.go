package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// cniNetwork is one node's CNI network: what a container runtime would have in
// /etc/cni/net.d, /opt/cni/bin and /var/lib/cni.
type cniNetwork struct {
	runtime *libcni.CNIConfig
	list    *libcni.NetworkConfigList
}

func newCNINetwork(cfg Config, n *Node) (*cniNetwork, error) {
	for _, plugin := range []string{"ptp", "host-local"} {
		if _, err := os.Stat(filepath.Join(cfg.Plugins, plugin)); err != nil {
			return nil, fmt.Errorf("CNI plugin %s: %w (make cni builds it)", plugin, err)
		}
	}
	type object = map[string]any
	var ranges [][]object
	var routes []object
	for _, p := range n.PodCIDRs {
		ranges = append(ranges, []object{{"subnet": p.String()}})
		routes = append(routes, object{"dst": everything(p.Addr()).String()})
	}
	conf, err := json.Marshal(object{
		"cniVersion": "1.0.0",
		"name":       "sluice-testbed",
		"plugins": []object{{
			"type":         "ptp",
			"mtu":          cfg.MTU,
			"capabilities": object{"ips": true},
			"ipam": object{
				"type":    "host-local",
				"dataDir": filepath.Join(n.Dir, "ipam"),
				"ranges":  ranges,
				"routes":  routes,
			},
		}},
	})
	if err != nil {
		return nil, err
	}
	network := &cniNetwork{
		runtime: libcni.NewCNIConfigWithCacheDir([]string{cfg.Plugins}, filepath.Join(n.Dir, "cni"), nil),
	}
	return network, network.configure(conf)
}

func (c *cniNetwork) configure(conf []byte) (err error) {
	c.list, err = libcni.ConfListFromBytes(conf)
	return err
}

// SetCNIConfig replaces the node's CNI network configuration list for the pods
// that are added from now on.
func (n *Node) SetCNIConfig(conf []byte) error {
	if n.cni == nil {
		return errors.New("the cluster's pods are wired without CNI")
	}
	return n.cni.configure(conf)
}

// attachment is what the plugins are told about a pod.
func attachment(p *Pod) *libcni.RuntimeConf {
	rt := &libcni.RuntimeConf{
		ContainerID: p.id,
		NetNS:       p.ns.Path(),
		IfName:      "eth0",
		Args: [][2]string{
			{"IgnoreUnknown", "1"},
			{"K8S_POD_NAMESPACE", p.Namespace},
			{"K8S_POD_NAME", p.PodName},
			{"K8S_POD_INFRA_CONTAINER_ID", p.id},
		},
	}
	if len(p.Addresses) > 0 {
		var ips []string
		for _, a := range p.Addresses {
			ips = append(ips, a.String())
		}
		rt.CapabilityArgs = map[string]any{"ips": ips}
	}
	return rt
}

// add calls the plugins in the node's namespace and returns the pod's
// addresses.
func (c *cniNetwork) add(ctx context.Context, n *Node, p *Pod) ([]netip.Addr, error) {
	var addrs []netip.Addr
	err := n.Do(func() error {
		res, err := c.runtime.AddNetworkList(ctx, c.list, attachment(p))
		if err != nil {
			return err
		}
		current, err := types100.NewResultFromResult(res)
		if err != nil {
			return err
		}
		for _, ip := range current.IPs {
			a, ok := netip.AddrFromSlice(ip.Address.IP)
			if !ok {
				return fmt.Errorf("no address: %v", ip)
			}
			addrs = append(addrs, a.Unmap())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("CNI ADD: %w", err)
	}
	return addrs, nil
}

func (c *cniNetwork) remove(ctx context.Context, n *Node, p *Pod) error {
	err := n.Do(func() error { return c.runtime.DelNetworkList(ctx, c.list, attachment(p)) })
	if err != nil {
		return fmt.Errorf("CNI DEL: %w", err)
	}
	return nil
}

// FindPlugins returns the first of the directories that has the CNI plugins
// which the testbed needs.
func FindPlugins(dirs ...string) (string, error) {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		_, err1 := os.Stat(filepath.Join(dir, "ptp"))
		_, err2 := os.Stat(filepath.Join(dir, "host-local"))
		if err1 == nil && err2 == nil {
			return filepath.Abs(dir)
		}
	}
	return "", fmt.Errorf("no CNI plugins ptp and host-local in %s: make cni builds them", strings.Join(dirs, ", "))
}
