package artifact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// sample returns a ruleset that uses every table and every kind.
func sample() *Ruleset {
	addr := netip.MustParseAddr
	return &Ruleset{
		Header: Header{
			Generation: 7, Parent: Digest{1, 2, 3}, Default: Allow,
			Inputs: []Input{{Name: "a.yaml", Digest: Digest{4}}, {Name: "b.yaml", Digest: Digest{5}, Version: "12"}},
		},
		Program: Program{
			Rules: []Rule{
				{TierNamespace, Ingress, "NetworkPolicy", "shop", "db", "ingress[0]", "a.yaml", 12, 5},
				{TierNamespace, Ingress, "NetworkPolicy", "shop", "db", "isolation", "a.yaml", 1, 1},
				{TierAdmin, Egress, "ClusterNetworkPolicy", "", "guard", "no-metadata", "b.yaml", 300, 1},
			},
			Ports: []PortSet{nil, {{6, 80, 80}, {6, 8000, 9000}, {17, 53, 53}}, {{132, 0, 65535}}},
			Blocks: []Block{
				{{addr("10.0.0.0"), addr("10.0.0.255")}, {addr("fd00::"), addr("fd00::ffff")}},
				{},
			},
			Groups:  []Group{{"shop/app=web"}, {"shop/app=db"}},
			Domains: []Domain{{"*.example.com"}},
			Clauses: []Clause{
				{Allow, Peer{PeerGroup, 1}, 1, false, []RuleID{0}},
				{Deny, Peer{PeerBlock, 0}, AllPorts, true, []RuleID{2}},
				{Pass, Peer{PeerAny, 0}, 2, false, []RuleID{2, 0}},
				{Allow, Peer{PeerDomain, 0}, 2, false, []RuleID{2}},
			},
			Tiers: []Tier{
				{TierNamespace, []ClauseID{0}, Deny, []RuleID{1}},
				{TierAdmin, []ClauseID{1, 2, 3}, Pass, nil},
			},
			Profiles: []Profile{{}, {Ingress, []TierID{0}}, {Egress, []TierID{1}}},
		},
		Membership: Membership{
			Classes: []Class{{}, {[2]ProfileID{1, 2}, []GroupID{0, 1}}, {[2]ProfileID{}, []GroupID{1}}},
			Nodes: []Node{
				{"n1", 2, []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}},
				{"n2", 0, nil, nil},
			},
			Endpoints: []Endpoint{
				{EndpointStandIn, "shop", "db", "StatefulSet/db", NoNode, 1, nil},
				{EndpointFinished, "shop", "job", "Job/job", 0, 0, nil},
				{EndpointHostPod, "shop", "logs", "DaemonSet/logs", 0, 0, []netip.Addr{addr("192.0.2.1")}},
				{EndpointPod, "shop", "web-1", "Deployment/web", 1, 1, []netip.Addr{addr("10.1.0.5"), addr("fd00::5")}},
			},
		},
	}
}

func encode(t testing.TB, rs *Ruleset) []byte {
	t.Helper()
	b, err := Encode(rs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	b := encode(t, want)
	got, err := Decode(bytes.NewReader(b), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(t, got); !bytes.Equal(b, again) {
		t.Error("encoding what was decoded gives other bytes")
	}
	got.Program.Blocks[1] = Block{} // nil and empty are one
	if !reflect.DeepEqual(want.Membership, got.Membership) || !reflect.DeepEqual(want.Header, got.Header) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(want.Program, got.Program) {
		t.Errorf("got %+v\nwant %+v", got.Program, want.Program)
	}
	if want.Digest != got.Digest || want.Digest.IsZero() {
		t.Errorf("digests %v and %v", want.Digest, got.Digest)
	}
}

func TestDecodeEmptyRuleset(t *testing.T) {
	rs := &Ruleset{
		Header:     Header{Default: Deny},
		Program:    Program{Ports: []PortSet{nil}, Profiles: []Profile{{}}},
		Membership: Membership{Classes: []Class{{}}},
	}
	if _, err := Decode(bytes.NewReader(encode(t, rs)), Limits{}); err != nil {
		t.Fatal(err)
	}
}

// TestDecodeTruncated cuts the file at every length.
func TestDecodeTruncated(t *testing.T) {
	b := encode(t, sample())
	for n := range b {
		if _, err := Decode(bytes.NewReader(b[:n]), Limits{}); err == nil {
			t.Fatalf("accepted %d of %d bytes", n, len(b))
		}
	}
	if _, err := Decode(bytes.NewReader(append(b, 0)), Limits{}); err == nil {
		t.Fatal("accepted a byte too many")
	}
}

// TestDecodeBitFlip flips every bit of the file.
func TestDecodeBitFlip(t *testing.T) {
	b := encode(t, sample())
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if _, err := Decode(bytes.NewReader(c), Limits{}); err == nil {
				t.Fatalf("accepted with bit %d of byte %d flipped", bit, i)
			}
		}
	}
}

func TestDecodeFutureSchema(t *testing.T) {
	b := encode(t, sample())
	binary.LittleEndian.PutUint32(b[len(magic):], 2)
	var se *SchemaError
	if _, err := Decode(bytes.NewReader(b), Limits{}); !errors.As(err, &se) || se.Version != 2 {
		t.Fatalf("got %v", err)
	}
}

func TestDecodeNotArtifact(t *testing.T) {
	for _, s := range []string{"", "x", "apiVersion: v1\nkind: List\n", strings.Repeat("\x00", 64)} {
		if _, err := Decode(strings.NewReader(s), Limits{}); !errors.Is(err, ErrNotArtifact) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	b := encode(t, sample())
	for _, lim := range []Limits{{MaxBytes: 100}, {MaxMemory: 500}} {
		if _, err := Decode(bytes.NewReader(b), lim); err == nil || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%+v: %v", lim, err)
		}
	}
}

// TestDecodeDamagedInside flips bits and repairs the checksums: whatever is
// accepted must be canonical.
func TestDecodeDamagedInside(t *testing.T) {
	b := encode(t, sample())
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 50_000 {
		c := bytes.Clone(b)
		for range 1 + rng.IntN(3) {
			c[fileHeaderLen+rng.IntN(len(c)-fileHeaderLen)] ^= 1 << rng.IntN(8)
		}
		c = repack(c)
		rs, err := Decode(bytes.NewReader(c), Limits{MaxMemory: 1 << 20})
		if err != nil {
			continue
		}
		accepted++
		if !bytes.Equal(encode(t, rs), c) {
			t.Fatalf("accepted bytes that are not canonical: %x", c)
		}
	}
	if accepted == 0 {
		t.Error("no damaged file was accepted: the test does not reach the parsers")
	}
}

func FuzzDecode(f *testing.F) {
	b, err := Encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:40])
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range [][]byte{data, repack(data)} {
			rs, err := Decode(bytes.NewReader(c), Limits{MaxMemory: 64 << 20})
			if err != nil {
				continue
			}
			again, err := Encode(rs)
			if err != nil {
				t.Fatalf("decoded, but cannot be encoded: %v", err)
			}
			if !bytes.Equal(c, again) {
				t.Fatal("accepted bytes that are not canonical")
			}
		}
	})
}
