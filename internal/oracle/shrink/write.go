package shrink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/manifest"
)

// Write writes a failing case into dir: manifests.yaml, which opens with the
// connection and what is wrong about it, and query.json, the connection as the
// command line asks it.
func Write(dir string, s *model.Snapshot, c oracle.Connection, wrong string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var yaml bytes.Buffer
	fmt.Fprintf(&yaml, "# %s\n", c)
	for line := range strings.SplitSeq(wrong, "\n") {
		fmt.Fprintf(&yaml, "# %s\n", line)
	}
	if err := manifest.Write(&yaml, s); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "manifests.yaml"), yaml.Bytes(), 0o644); err != nil {
		return err
	}
	query, err := json.Marshal(newQuery(c))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "query.json"), append(query, '\n'), 0o644)
}

// query is a line of the command line's query files.
type query struct {
	Src      map[string]string `json:"src"`
	Dst      map[string]string `json:"dst"`
	Protocol string            `json:"protocol"`
	Port     uint16            `json:"port,omitempty"`
}

func newQuery(c oracle.Connection) query {
	q := query{Src: queryEnd(c.Src), Dst: queryEnd(c.Dst), Port: c.Port}
	switch {
	case c.Protocol.HasPorts():
		q.Protocol = c.Protocol.String()
	case c.Protocol == model.ICMP || c.Protocol == model.ICMPv6:
		q.Protocol = "ICMP"
	default:
		q.Protocol = strconv.Itoa(int(c.Protocol))
	}
	return q
}

// queryEnd names the end by its address where it has several to choose from.
func queryEnd(e oracle.End) map[string]string {
	switch {
	case e.Pod != nil && e.Pod.StandIn:
		return map[string]string{"workload": e.Pod.Namespace + "/" + e.Pod.Workload}
	case e.Pod != nil && len(e.Pod.Addresses) < 2:
		return map[string]string{"pod": e.Pod.Namespace + "/" + e.Pod.Name}
	case e.Node != nil && len(e.Node.Addresses) < 2:
		return map[string]string{"node": e.Node.Name}
	default:
		return map[string]string{"ip": e.Addr.String()}
	}
}
