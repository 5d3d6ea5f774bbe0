package source

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/internal/diag"
)

// TestKnownFields keeps what is read by hand in step with the API's own
// types: every field of theirs is accepted where it belongs.
func TestKnownFields(t *testing.T) {
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
	const head = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a, namespace: b}, "
	for _, c := range []struct {
		of     any
		before string
		after  string
	}{
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
	} {
		typ := reflect.TypeOf(c.of)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if got := unknownIn(c.before + name + ": null" + c.after); len(got) > 0 {
				t.Errorf("%s: %q", typ.Name(), got)
			}
		}
		if got := unknownIn(c.before + "zzz: null" + c.after); len(got) != 1 {
			t.Errorf("%s: an unknown field gave %q", typ.Name(), got)
		}
	}
	meta := reflect.TypeOf(metav1.ObjectMeta{})
	var fields []string
	for i := range meta.NumField() {
		name, _, _ := strings.Cut(meta.Field(i).Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	for name := range objectMetaFields {
		if !slices.Contains(fields, name) {
			t.Errorf("the API has no metadata.%s", name)
		}
	}
}
