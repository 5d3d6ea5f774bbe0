// Package config reads .sluice.yaml: the settings of the command line that a
// repository keeps beside its policies.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sigs.k8s.io/yaml"
)

// DefaultFile is read from the working directory when no other is named.
const DefaultFile = ".sluice.yaml"

// Config are the settings; docs/config.md describes them. A flag on the
// command line overrides its setting.
type Config struct {
	// Rego lists modules and data to read with every PATH.
	Rego []string `json:"rego,omitempty"`
	// DefaultDeny denies what no tier decides.
	DefaultDeny bool `json:"defaultDeny,omitempty"`
	// NoColor turns colour off.
	NoColor bool `json:"noColor,omitempty"`
	// Lint are the settings of sluice lint.
	Lint Lint `json:"lint,omitempty"`
}

// Lint are the settings of sluice lint.
type Lint struct {
	// FailOn is "error", "warning" or "never"; empty is "error".
	FailOn string `json:"failOn,omitempty"`
	// Disable lists ids of checks to leave out. Errors cannot be disabled:
	// what they find does not compile.
	Disable []string `json:"disable,omitempty"`
}

// Load reads the file at path, or DefaultFile if path is "". A missing
// DefaultFile is no error; unknown fields are.
func Load(path string) (Config, error) {
	name := path
	if name == "" {
		name = DefaultFile
	}
	b, err := os.ReadFile(name)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("settings: %w", err)
	}
	var c Config
	if err := yaml.UnmarshalStrict(b, &c); err != nil {
		return Config{}, fmt.Errorf("settings: %s: %w", name, err)
	}
	switch c.Lint.FailOn {
	case "", "error", "warning", "never":
		return c, nil
	default:
		return Config{}, fmt.Errorf("settings: %s: lint.failOn is %q: want error, warning or never", name, c.Lint.FailOn)
	}
}
