package nft

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
)

// layoutVersion changes whenever Render gives another table for the same
// ruleset, so that an enforcer of a newer build replaces the table of an older
// one.
const layoutVersion = 1

// markerSet is the set whose comment is the marker.
const markerSet = "marker"

// Marker says what a table was rendered from. It is written in the same
// transaction as the rest of the table.
type Marker struct {
	Layout     uint16 // version of the table's layout
	Generation uint64
	Ruleset    artifact.Digest
	Node       uint32 // hash of the node's name
}

func newMarker(rs *artifact.Ruleset, node string) Marker {
	h := fnv.New32a()
	h.Write([]byte(node))
	return Marker{Layout: layoutVersion, Generation: rs.Header.Generation, Ruleset: rs.Digest, Node: h.Sum32()}
}

// String returns the marker's form in the kernel, at most 127 bytes.
func (m Marker) String() string {
	return fmt.Sprintf("layout=%d gen=%d node=%08x %s", m.Layout, m.Generation, m.Node, m.Ruleset)
}

// ParseMarker is the inverse of Marker.String.
func ParseMarker(s string) (Marker, error) {
	f := strings.Fields(s)
	if len(f) != 4 {
		return Marker{}, fmt.Errorf("marker %q: want 4 fields, got %d", s, len(f))
	}
	var m Marker
	for i, p := range []struct {
		key  string
		base int
		bits int
		set  func(uint64)
	}{
		{"layout=", 10, 16, func(v uint64) { m.Layout = uint16(v) }},
		{"gen=", 10, 64, func(v uint64) { m.Generation = v }},
		{"node=", 16, 32, func(v uint64) { m.Node = uint32(v) }},
	} {
		text, ok := strings.CutPrefix(f[i], p.key)
		v, err := strconv.ParseUint(text, p.base, p.bits)
		if !ok || err != nil {
			return Marker{}, fmt.Errorf("marker %q: field %q", s, f[i])
		}
		p.set(v)
	}
	text, ok := strings.CutPrefix(f[3], "sha256:")
	b, err := hex.DecodeString(text)
	if !ok || err != nil || len(b) != len(m.Ruleset) {
		return Marker{}, fmt.Errorf("marker %q: digest %q", s, f[3])
	}
	copy(m.Ruleset[:], b)
	return m, nil
}
