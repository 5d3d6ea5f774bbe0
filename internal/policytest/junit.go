package policytest

import (
	"encoding/xml"
	"io"
)

// The JUnit form of a report, as the common CI systems read it.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		File     string      `xml:"file,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes a testsuite for each suite and a testcase for each test.
// A finding is a testcase with an error, so that a document which was not run
// does not look like one without tests.
func (r *Report) WriteJUnit(w io.Writer) error {
	doc := junitReport{Name: "sluice test"}
	for i := range r.Suites {
		s := &r.Suites[i]
		js := junitSuite{Name: s.Name, File: s.Pos.File, Tests: len(s.Results) + len(s.Diags), Errors: len(s.Diags)}
		_, js.Failures = s.counts()
		for _, d := range s.Diags {
			js.Cases = append(js.Cases, junitCase{
				Class: s.Name, Name: "not run: " + d.Pos.String(), File: d.Pos.File, Line: d.Pos.Line,
				Error: &junitMessage{d.Message, d.String()},
			})
		}
		for j := range s.Results {
			t := &s.Results[j]
			c := junitCase{Class: s.Name, Name: t.title(), File: t.Pos.File, Line: t.Pos.Line}
			if !t.Passed {
				c.Failure = &junitMessage{"want " + t.Want + "; got " + t.Got, ""}
			}
			js.Cases = append(js.Cases, c)
		}
		doc.Tests, doc.Failures, doc.Errors = doc.Tests+js.Tests, doc.Failures+js.Failures, doc.Errors+js.Errors
		doc.Suites = append(doc.Suites, js)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
