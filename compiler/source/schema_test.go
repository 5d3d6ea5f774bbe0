package source

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/network-policy-api/apis/v1alpha1"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/sluice-net/sluice/internal/diag"
)

// TestKnownFields keeps what is read by hand in step with the API's own
// types: every field of theirs is accepted where it belongs.
func TestKnownFields(t *testing.T) {
	const head = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a, namespace: b}, "
	checkFields(t, []fieldsAt{
		{networkingv1.NetworkPolicySpec{}, head + "spec: {", "}}"},
		{networkingv1.NetworkPolicyIngressRule{}, head + "spec: {ingress: [{", "}]}}"},
		{networkingv1.NetworkPolicyEgressRule{}, head + "spec: {egress: [{", "}]}}"},
		{networkingv1.NetworkPolicyPort{}, head + "spec: {egress: [{ports: [{", "}]}]}}"},
		{networkingv1.NetworkPolicyPeer{}, head + "spec: {egress: [{to: [{", "}]}]}}"},
		{networkingv1.IPBlock{}, head + "spec: {egress: [{to: [{ipBlock: {", "}}]}]}}"},
		{metav1.LabelSelector{}, head + "spec: {podSelector: {", "}}}"},
		{metav1.LabelSelectorRequirement{}, head + "spec: {podSelector: {matchExpressions: [{", "}]}}}"},
		{metav1.ObjectMeta{}, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {", "}}"},
		{metav1.OwnerReference{}, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {ownerReferences: [{", "}]}}"},
		{metav1.ManagedFieldsEntry{}, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {managedFields: [{", "}]}}"},
	})
}

// TestKnownClusterFields does the same for the cluster-wide policies, whose
// objects have exactly one of several fields in many places: a field set to
// null is known and absent.
func TestKnownClusterFields(t *testing.T) {
	const (
		cnp  = "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: a}, "
		anp  = "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: a}, "
		banp = "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: BaselineAdminNetworkPolicy, metadata: {name: default}, "
	)
	checkFields(t, []fieldsAt{
		{v1alpha2.ClusterNetworkPolicy{}, strings.TrimSuffix(cnp, "metadata: {name: a}, "), "}"},
		{v1alpha2.ClusterNetworkPolicySpec{}, cnp + "spec: {", "}}"},
		{v1alpha2.ClusterNetworkPolicySubject{}, cnp + "spec: {subject: {", "}}}"},
		{v1alpha2.NamespacedPod{}, cnp + "spec: {subject: {pods: {", "}}}}"},
		{v1alpha2.ClusterNetworkPolicyIngressRule{}, cnp + "spec: {ingress: [{", "}]}}"},
		{v1alpha2.ClusterNetworkPolicyIngressPeer{}, cnp + "spec: {ingress: [{from: [{", "}]}]}}"},
		{v1alpha2.ClusterNetworkPolicyEgressRule{}, cnp + "spec: {egress: [{", "}]}}"},
		{v1alpha2.ClusterNetworkPolicyEgressPeer{}, cnp + "spec: {egress: [{to: [{", "}]}]}}"},
		{v1alpha2.ClusterNetworkPolicyProtocol{}, cnp + "spec: {egress: [{protocols: [{", "}]}]}}"},
		{v1alpha2.ClusterNetworkPolicyProtocolTCP{}, cnp + "spec: {egress: [{protocols: [{tcp: {", "}}]}]}}"},
		{v1alpha2.ClusterNetworkPolicyProtocolUDP{}, cnp + "spec: {egress: [{protocols: [{udp: {", "}}]}]}}"},
		{v1alpha2.ClusterNetworkPolicyProtocolSCTP{}, cnp + "spec: {egress: [{protocols: [{sctp: {", "}}]}]}}"},
		{v1alpha2.Port{}, cnp + "spec: {egress: [{protocols: [{sctp: {destinationPort: {", "}}}]}]}}"},
		{v1alpha2.PortRange{}, cnp + "spec: {egress: [{protocols: [{sctp: {destinationPort: {range: {", "}}}}]}]}}"},
		{v1alpha1.AdminNetworkPolicySpec{}, anp + "spec: {", "}}"},
		{v1alpha1.AdminNetworkPolicySubject{}, anp + "spec: {subject: {", "}}}"},
		{v1alpha1.NamespacedPod{}, anp + "spec: {subject: {pods: {", "}}}}"},
		{v1alpha1.AdminNetworkPolicyIngressRule{}, anp + "spec: {ingress: [{", "}]}}"},
		{v1alpha1.AdminNetworkPolicyIngressPeer{}, anp + "spec: {ingress: [{from: [{", "}]}]}}"},
		{v1alpha1.AdminNetworkPolicyEgressRule{}, anp + "spec: {egress: [{", "}]}}"},
		{v1alpha1.AdminNetworkPolicyEgressPeer{}, anp + "spec: {egress: [{to: [{", "}]}]}}"},
		{v1alpha1.AdminNetworkPolicyPort{}, anp + "spec: {egress: [{ports: [{", "}]}]}}"},
		{v1alpha1.Port{}, anp + "spec: {egress: [{ports: [{portNumber: {", "}}]}]}}"},
		{v1alpha1.PortRange{}, anp + "spec: {egress: [{ports: [{portRange: {", "}}]}]}}"},
		{v1alpha1.BaselineAdminNetworkPolicySpec{}, banp + "spec: {", "}}"},
		{v1alpha1.BaselineAdminNetworkPolicyIngressRule{}, banp + "spec: {ingress: [{", "}]}}"},
		{v1alpha1.BaselineAdminNetworkPolicyEgressRule{}, banp + "spec: {egress: [{", "}]}}"},
		{v1alpha1.BaselineAdminNetworkPolicyEgressPeer{}, banp + "spec: {egress: [{to: [{", "}]}]}}"},
	})
}

// fieldsAt is a type of the API and the text around its fields in a manifest.
type fieldsAt struct {
	of     any
	before string
	after  string
}

func checkFields(t *testing.T, places []fieldsAt) {
	t.Helper()
	unknownIn := func(doc string) []string {
		_, diags, err := LoadFS(fstest.MapFS{"a.yaml": {Data: []byte(doc)}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range diags {
			if strings.Contains(d.Message, "unknown field") && d.Severity == diag.Error {
				out = append(out, d.Message)
			}
		}
		return out
	}
	for _, c := range places {
		typ := reflect.TypeOf(c.of)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" {
				continue // inlined
			}
			if got := unknownIn(c.before + name + ": null" + c.after); len(got) > 0 {
				t.Errorf("%s: %q", typ.Name(), got)
			}
		}
		if got := unknownIn(c.before + "zzz: null" + c.after); len(got) != 1 {
			t.Errorf("%s: an unknown field gave %q", typ.Name(), got)
		}
	}
}
