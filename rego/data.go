package rego

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// maxDepth bounds how deep data may be nested.
const maxDepth = 64

// addData merges a data file into m.data.
func (m *Modules) addData(f *file) {
	doc, pos, err := parseData(f)
	if err == nil {
		_, isManifest := doc["apiVersion"]
		_, hasKind := doc["kind"]
		if isManifest && hasKind {
			m.diags.Add(diag.Diagnostic{
				Code: codeData, Severity: diag.Error, Pos: diag.Pos{File: f.Path, Line: 1, Col: 1},
				Message: "a Kubernetes manifest is no data for segment rules",
				Hint:    "give manifests as PATH, and only modules and data with --rego",
			})
			return
		}
		for i := len(f.dir) - 1; i >= 0; i-- {
			doc = map[string]any{f.dir[i]: doc}
		}
		if where, ok := merge(m.data, doc, nil); !ok {
			m.diags.Add(diag.Diagnostic{
				Code: codeData, Severity: diag.Error, Pos: diag.Pos{File: f.Path, Line: 1, Col: 1},
				Message: fmt.Sprintf("data.%s has another value in another data file", strings.Join(where, ".")),
				Hint:    "keep each value in one file; files in folders go below the folder's name",
			})
			return
		}
		m.checkConfig(f, doc)
		return
	}
	m.diags.Add(diag.Diagnostic{
		Code: codeData, Severity: diag.Error, Pos: pos, Message: err.Error(),
		Hint: "a data file is one JSON or YAML mapping; it appears under data",
	})
}

// parseData returns the file's mapping, or the place of what is wrong.
func parseData(f *file) (map[string]any, diag.Pos, error) {
	pos := diag.Pos{File: f.Path, Line: 1, Col: 1}
	var v any
	if strings.HasSuffix(strings.ToLower(f.Path), ".json") {
		d := json.NewDecoder(bytes.NewReader(f.src))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			var syntax *json.SyntaxError
			offset := d.InputOffset()
			if errors.As(err, &syntax) {
				offset = syntax.Offset
			}
			pos.Line, pos.Col = lineOf(f.src, int(offset))
			return nil, pos, fmt.Errorf("invalid JSON: %w", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			pos.Line, pos.Col = lineOf(f.src, int(d.InputOffset()))
			return nil, pos, errors.New("invalid JSON: something follows the document")
		}
	} else {
		d := yaml.NewDecoder(bytes.NewReader(f.src))
		if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
			return nil, yamlPos(pos, err), fmt.Errorf("invalid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		var more any
		if err := d.Decode(&more); !errors.Is(err, io.EOF) {
			return nil, pos, errors.New("the file has more than one YAML document")
		}
	}
	if v == nil {
		return map[string]any{}, pos, nil
	}
	v, err := plain(v, 0)
	if err != nil {
		return nil, pos, err
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, pos, fmt.Errorf("the document is %s, want a mapping", noun(v))
	}
	return doc, pos, nil
}

// yamlPos reads the line from the library's message.
func yamlPos(pos diag.Pos, err error) diag.Pos {
	text := err.Error()
	if i := strings.Index(text, "line "); i >= 0 {
		var line int
		if _, err := fmt.Sscanf(text[i:], "line %d", &line); err == nil {
			pos.Line, pos.Col = line, 0
		}
	}
	return pos
}

func lineOf(src []byte, offset int) (line, col int) {
	before := src[:min(max(offset, 0), len(src))]
	return bytes.Count(before, []byte("\n")) + 1, max(len(before)-bytes.LastIndexByte(before, '\n')-1, 1)
}

func noun(v any) string {
	switch v.(type) {
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case nil:
		return "null"
	default:
		return "a number"
	}
}

// plain turns what the parsers return into JSON's types.
func plain(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			e, err := plain(e, depth+1)
			if err != nil {
				return nil, err
			}
			v[k] = e
		}
		return v, nil
	case map[any]any:
		return nil, errors.New("a mapping has a key that is no string: quote it")
	case []any:
		for i, e := range v {
			e, err := plain(e, depth+1)
			if err != nil {
				return nil, err
			}
			v[i] = e
		}
		return v, nil
	case string, bool, nil, json.Number:
		return v, nil
	case int, int64, uint64:
		return json.Number(fmt.Sprint(v)), nil
	case float64:
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("the number %v is not in JSON", v)
		}
		return json.Number(b), nil
	default:
		return nil, fmt.Errorf("a value of type %T: quote it", v)
	}
}

// merge adds the content of from to into; where says what both have.
func merge(into, from map[string]any, at []string) (where []string, ok bool) {
	for _, k := range sortedKeys(from) {
		have, exists := into[k]
		if !exists {
			into[k] = from[k]
			continue
		}
		a, isMap := have.(map[string]any)
		b, both := from[k].(map[string]any)
		if !isMap || !both {
			return append(at, k), false
		}
		if where, ok := merge(a, b, append(at[:len(at):len(at)], k)); !ok {
			return where, false
		}
	}
	return nil, true
}

// checkConfig reads data.sluice.config, the settings of the tier, and insists
// that nothing else is below data.sluice.
func (m *Modules) checkConfig(f *file, doc map[string]any) {
	own, ok := doc["sluice"]
	if !ok {
		return
	}
	at := diag.Pos{File: f.Path}
	at.Line, at.Col = lineOf(f.src, max(bytes.Index(f.src, []byte("default")), 0)+1)
	wrong := func(format string, args ...any) {
		m.diags.Add(diag.Diagnostic{
			Code: codeData, Severity: diag.Error, Pos: at, Message: fmt.Sprintf(format, args...),
			Hint: `the settings are {"sluice": {"config": {"default": "allow" or "deny" or "pass"}}}; keep other data elsewhere`,
		})
	}
	settings, ok := own.(map[string]any)
	if !ok {
		wrong("data.sluice is %s, want a mapping", noun(own))
		return
	}
	for _, k := range sortedKeys(settings) {
		if k != "config" {
			wrong("data.sluice.%s is not a setting", k)
		}
	}
	config, ok := settings["config"].(map[string]any)
	if !ok {
		if settings["config"] != nil {
			wrong("data.sluice.config is %s, want a mapping", noun(settings["config"]))
		}
		return
	}
	for _, k := range sortedKeys(config) {
		if k != "default" {
			wrong("data.sluice.config.%s is not a setting", k)
			continue
		}
		text, _ := config[k].(string)
		v, ok := map[string]model.Verdict{"allow": model.Allow, "deny": model.Deny, "pass": model.Pass}[text]
		if !ok {
			wrong("data.sluice.config.default is %v: want allow, deny or pass", config[k])
			continue
		}
		m.fallback, m.fallbackPos = v, at
	}
}
