package aliyun

import "testing"

// TestStatusOfErr: an ESME that waits for the API's answer is told what the err of a receipt means;
// where several codes share one, what the first in the table does.
func TestStatusOfErr(t *testing.T) {
	for err, want := range map[string]uint32{
		"033": 0x0B, "090": 0x0B, "026": 0x0B, // the recipient
		"032": 0x0A, "053": 0x0A, // the signature; its scene, further down, says 0x45
		"031": 0x45, "040": 0x45, "043": 0x45, "051": 0x45,
		"036": 0x45, // invalid parameters; an endpoint of something else, further down, says 0x08
		"044": 0x01,
		"038": 0x58, "096": 0x58,
		"099": 0x08, "060": 0x08,
		"199": 0x45, "117": 0x45, "": 0x45, "no such err": 0x45,
	} {
		if got := builtin.StatusOfErr(err); got != want {
			t.Errorf("err %q: command_status %#x, want %#x", err, got, want)
		}
	}
	for _, r := range rows {
		if r.class == classPermanent && builtin.StatusOfErr(r.err) == csOK {
			t.Errorf("err %s of %s is no error", r.err, r.code)
		}
	}
}
