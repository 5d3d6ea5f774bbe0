package lint

import (
	"io"
	"net/url"
	"path/filepath"

	"github.com/sluice-net/sluice/internal/diag"
)

// The part of SARIF 2.1.0 that a linter needs (OASIS Standard, 2020-03-27).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string      `json:"id"`
		ShortDescription sarifText   `json:"shortDescription"`
		Default          sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// unnamed is the rule of findings without a check of their own.
const unnamed = "input"

// SARIF writes a SARIF 2.1.0 log.
func SARIF(w io.Writer, ds diag.List, _ bool) error {
	driver := sarifDriver{Name: "sluice lint", InformationURI: "https://github.com/sluice-net/sluice"}
	index := map[string]int{}
	for _, c := range append(Checks(), Check{unnamed, diag.Error, "The input cannot be used"}) {
		index[c.ID] = len(driver.Rules)
		driver.Rules = append(driver.Rules, sarifRule{c.ID, sarifText{c.Title}, sarifConfig{c.Severity.String()}})
	}
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	for _, d := range ds {
		id := d.Code
		if _, ok := index[id]; !ok {
			id = unnamed
		}
		text := d.Message
		if d.Object != "" {
			text = d.Object + ": " + text
		}
		if d.Hint != "" {
			text += ". To correct it: " + d.Hint
		}
		r := sarifResult{RuleID: id, RuleIndex: index[id], Level: d.Severity.String(), Message: sarifText{text}}
		if d.Pos.File != "" {
			loc := sarifPhysical{Artifact: sarifArtifact{fileURI(d.Pos.File)}}
			if d.Pos.Line > 0 {
				loc.Region = &sarifRegion{d.Pos.Line, d.Pos.Col}
			}
			r.Locations = []sarifLocation{{loc}}
		}
		run.Results = append(run.Results, r)
	}
	run.Tool.Driver = driver
	return writeJSON(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

// fileURI turns a path into a relative or file: URI reference.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
