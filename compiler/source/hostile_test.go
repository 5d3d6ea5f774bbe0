package source

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluice-net/sluice/compiler/source/object"
	"github.com/sluice-net/sluice/internal/diag"
)

// TestHostile gives inputs that have brought down parsers: each must be
// refused, at a position, quickly, and without much memory; and what stands
// beside them must still be read.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads hundreds of megabytes")
	}
	const deep = 8 << 20
	policy := func(spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x, namespace: a}\nspec: " + spec + "\n"
	}
	var bomb strings.Builder
	bomb.WriteString("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [", i, i)
		bomb.WriteString(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10))
		bomb.WriteString("]\n")
	}
	var merges strings.Builder
	merges.WriteString("apiVersion: v1\nkind: Pod\nbase: &base {")
	for i := range 50_000 {
		fmt.Fprintf(&merges, "k%d: 1, ", i)
	}
	merges.WriteString("}\nderived: {<<: [*base, *base, *base]}\n")

	for name, text := range map[string][]byte{
		"nested [":           bytes.Repeat([]byte("["), 100<<20),
		"nested {":           bytes.Repeat([]byte("{"), deep),
		"nested [ in object": append([]byte("apiVersion: v1\nkind: Pod\nx: "), bytes.Repeat([]byte("["), deep)...),
		"nested { in JSON":   bytes.Repeat([]byte(`{"a":`), deep/5),
		"nested [{":          bytes.Repeat([]byte(`[{"apiVersion":`), deep/15),
		"nested and closed":  append(bytes.Repeat([]byte("["), 1<<20), bytes.Repeat([]byte("]"), 1<<20)...),
		"block sequences":    bytes.Repeat([]byte("- "), 1<<20),
		"block keys":         bytes.Repeat([]byte("? "), 1<<20),
		"indentation": func() []byte {
			var b bytes.Buffer
			for i := range 2500 {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.Bytes()
		}(),
		"alias bomb":          []byte(bomb.String()),
		"merge bomb":          []byte(merges.String()),
		"alias to itself":     []byte("apiVersion: v1\nkind: Pod\nmetadata: &a {name: x, x: *a}\n"),
		"merge of itself":     []byte("apiVersion: v1\nkind: Pod\nmetadata: &a\n  name: x\n  <<: *a\n"),
		"truncated UTF-8":     []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {a: \xe2\x82"),
		"invalid UTF-8":       []byte(policy("{podSelector: {matchLabels: {a: \xff}}}")),
		"surrogate":           []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: \xed\xa0\x80}\n"),
		"NUL":                 []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: \"x\x00\"}\n"),
		"UTF-16 without mark": []byte("a\x00p\x00i\x00:\x00 \x001\x00\n\x00"),
		"binary":              {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0xff, 0xfe},
		"huge scalar":         []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: " + strings.Repeat("x", 8<<20) + "}\n"),
		"many values":         []byte("apiVersion: v1\nkind: Pod\nx: [" + strings.Repeat("1,", 1_990_000) + "1]\n"),
		"many values in JSON": []byte(`{"apiVersion":"v1","kind":"Pod","x":[` + strings.Repeat("1,", 1_990_000) + `1]}`),
		"unclosed string":     []byte(`{"apiVersion":"` + strings.Repeat("x", 1<<20)),
		"huge numbers":        []byte(policy("{podSelector: {}, ingress: [{ports: [{port: " + strings.Repeat("9", 1<<20) + "}]}]}")),
		"many unknown fields": []byte(policy("{" + strings.Repeat("a: 1, ", 100_000) + "}")),
		"many anchors": func() []byte {
			var b bytes.Buffer
			b.WriteString("apiVersion: v1\nkind: Pod\nx:\n")
			for i := range 50_000 {
				fmt.Fprintf(&b, "- &a%d x\n- *a%d\n", i, i)
			}
			b.WriteString("- *unknown\n")
			return b.Bytes()
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"beside.yaml": fmt.Sprintf(namespaceDoc, "beside")})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			s, diags, err := Load([]string{"-", dir}, Options{Stdin: bytes.NewReader(text)})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil || len(s.Namespaces) != 1 {
				t.Fatalf("%v %v", s, err)
			}
			if !diags.Has(diag.Error) || len(diags) > object.MaxFindings+1 {
				t.Errorf("%d findings: %.500v", len(diags), diags)
			}
			for _, d := range diags {
				if d.Pos.File != stdinName || d.Pos.Line == 0 || len(d.String()) > 1000 {
					t.Errorf("%.2000s", d)
				}
			}
			// Allocated in total, which is more than the peak. Without the
			// race detector, none takes a second.
			if alloc := after.TotalAlloc - before.TotalAlloc; alloc > 600<<20 {
				t.Errorf("allocated %d MiB", alloc>>20)
			}
			if took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			t.Logf("%v, %d MiB: %.200v", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, diags[0])
		})
	}
}

// TestOversizeData is about large files in a directory that are no manifests,
// for example lock files.
func TestOversizeData(t *testing.T) {
	fsys := fstest.MapFS{
		"many.yaml":   {Data: []byte("x: [" + strings.Repeat("1,", 1_500_000) + "1]\n")},
		"lines.yaml":  {Data: bytes.Repeat([]byte("- a: b\n"), 1_000_000)},
		"lock.json":   {Data: []byte(`{"packages": {"x": "` + strings.Repeat("x", 5<<20) + `"}}`)},
		"values.yaml": {Data: []byte("x: " + strings.Repeat("x", 5<<20) + "\n")},
	}
	if _, diags, err := LoadFS(fsys, Options{}); err != nil || diags.Has(diag.Warning) || len(diags) != len(fsys) {
		t.Errorf("%.300v %v", diags, err)
	}
}
