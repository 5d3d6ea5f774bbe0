package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	if c, err := Load(""); err != nil || !reflect.DeepEqual(c, Config{}) {
		t.Errorf("without a file: %+v, %v", c, err)
	}
	if _, err := Load("absent.yaml"); err == nil {
		t.Error("a named file that is absent is no error")
	}
	for _, tc := range []struct {
		text, wrong string
		want        Config
	}{
		{
			text: "rego: [segments]\nlint: {failOn: warning, disable: [NP202]}\ndefaultDeny: true\n",
			want: Config{Rego: []string{"segments"}, DefaultDeny: true, Lint: Lint{FailOn: "warning", Disable: []string{"NP202"}}},
		},
		{text: "lints: {}\n", wrong: "lints"},
		{text: "lint: {failOn: sometimes}\n", wrong: "sometimes"},
		{text: ":\n- {", wrong: "settings"},
	} {
		path := filepath.Join(".", DefaultFile)
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Load("")
		if tc.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("%q: got %+v, %v, want an error with %q", tc.text, got, err, tc.wrong)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q: got %+v, %v", tc.text, got, err)
		}
	}
}
