package corpus

import (
	"testing"

	"github.com/sluice-net/sluice/internal/model"
)

func TestParse(t *testing.T) {
	list, err := Parse(`0.0.0.0-255.255.255.255[External] => a/web[Deployment] : All Connections
a/web[Deployment] => 10.0.0.0-10.0.0.255[External] : SCTP 1-9002,9004-65535,TCP 80
{ingress-controller} => a/web[Deployment] : TCP 8050,8090
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Lines) != 2 || list.Skipped != 1 {
		t.Fatalf("%d lines, %d skipped", len(list.Lines), list.Skipped)
	}
	web, _ := parsePeer("a/web[Deployment]")
	outside, _ := parsePeer("203.0.113.9-203.0.113.9[External]")
	inside, _ := parsePeer("10.0.0.7-10.0.0.7[External]")
	for _, c := range []struct {
		src, dst Peer
		protocol model.Protocol
		port     uint16
		want     bool
	}{
		{outside, web, model.UDP, 65535, true},
		{outside, web, model.UDP, 0, false},
		{web, outside, model.TCP, 80, false},
		{web, inside, model.TCP, 80, true},
		{web, inside, model.TCP, 81, false},
		{web, inside, model.SCTP, 9003, false},
		{web, inside, model.SCTP, 9004, true},
		{web, web, model.TCP, 80, false},
	} {
		if got := list.Between(c.src, c.dst).Contain(c.protocol, c.port); got != c.want {
			t.Errorf("%s => %s %d/%s: %t", c.src, c.dst, c.port, c.protocol, got)
		}
	}
	if _, err := Parse("no list"); err == nil {
		t.Error("nonsense parses")
	}
}
