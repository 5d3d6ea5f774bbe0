package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/compiler/source/object"
)

// TestCutLists makes sure that a list that is cut up before parsing gives what
// its documents give, with positions in the list, and that it is cut at all.
func TestCutLists(t *testing.T) {
	const n = 1000
	var docs bytes.Buffer
	for i := range n {
		fmt.Fprintf(&docs, policyYAML, i, i%7, i%50, i%7, i%250)
	}
	docs.WriteString("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: bad\n  namespace: a\nspec:\n  mistake: here\n")
	list := append(asList(docs.Bytes()), "slip: 1\n"...)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, asJSON(t, list), "", " "); err != nil {
		t.Fatal(err)
	}
	want, _, err := LoadFS(fstest.MapFS{"in.yaml": {Data: docs.Bytes()}}, Options{})
	if err != nil || len(want.Policies) != n {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"YAML":          list,
		"indented":      bytes.ReplaceAll(bytes.ReplaceAll(list, []byte("\n  "), []byte("\n    ")), []byte("\n- "), []byte("\n  - ")),
		"CRLF":          bytes.ReplaceAll(list, []byte("\n"), []byte("\r\n")),
		"comments":      bytes.ReplaceAll(list, []byte("items:\n"), []byte("items:\n# first\n\n")),
		"JSON":          pretty.Bytes(),
		"one-line JSON": asJSON(t, list),
		"JSON array":    []byte(strings.TrimSuffix(strings.TrimPrefix(string(asJSON(t, list)), `{"apiVersion":"v1","items":`), `,"kind":"List","metadata":{"resourceVersion":""},"slip":1}`)),
	} {
		if chunks := document.Split(text, object.IsList, document.Interner{}); len(chunks) < n {
			t.Errorf("%s: %d chunks", name, len(chunks))
		}
		s, diags, err := LoadFS(fstest.MapFS{"in.yaml": {Data: text}}, Options{})
		if err != nil || len(s.Policies) != n {
			t.Errorf("%s: %d policies, %v, %v", name, len(s.Policies), diags, err)
			continue
		}
		for i := range s.Policies {
			if got, want := s.Policies[i], want.Policies[i]; got.Ref() != want.Ref() || len(got.Sections[0].Rules[0].Peers) != 2 {
				t.Fatalf("%s: %+v, want %+v", name, got, want)
			}
		}
		at := func(needle string) string {
			before := text[:bytes.Index(text, []byte(needle))]
			return fmt.Sprintf("in.yaml:%d:%d", 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n'))
		}
		places := map[string]string{"mistake": "mistake"}
		if name != "JSON array" {
			places["slip"] = "slip"
		}
		for what, needle := range places {
			if strings.Contains(name, "JSON") {
				needle = `"` + needle
			}
			where := at(needle)
			if what == "slip" && name == "one-line JSON" {
				where = "in.yaml:1:" // its column is lost
			}
			if !strings.Contains(fmt.Sprint(diags), where) {
				t.Errorf("%s: nothing about %q at %s in %v", name, what, where, diags)
			}
		}
	}
}

// TestUncutLists is about lists that only look as if they could be cut.
func TestUncutLists(t *testing.T) {
	filler := "  data: " + strings.Repeat("x", 300<<10) + "\n"
	for name, text := range map[string]string{
		"alias across items": "kind: List\napiVersion: v1\nitems:\n- &ns {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n" +
			"- apiVersion: v1\n  kind: ConfigMap\n" + filler + "- *ns\n",
		"flow over lines": "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1,\nkind: Namespace, metadata: {name: a}}\n" +
			"- apiVersion: v1\n  kind: ConfigMap\n" + filler,
		"items of something else": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nitems:\n- a:\n" + strings.Replace(filler, "  ", "   ", 1),
	} {
		s, diags, err := LoadFS(fstest.MapFS{"in.yaml": {Data: []byte(text)}}, Options{})
		if err != nil || len(s.Namespaces) != 1 {
			t.Errorf("%s: %v %.300v %v", name, s.Namespaces, diags, err)
		}
	}
}
