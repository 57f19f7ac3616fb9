package inproc

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"example.com/parity/internal/prototest"
)

// TestShareEveryField compares share with proto.Clone for every message of the API: with
// all fields, with each field alone and with none, into targets that have all fields.
func TestShareEveryField(t *testing.T) {
	for typ := range prototest.Types() {
		full := prototest.Full(typ)
		for _, from := range append(append(full, prototest.Single(typ)...), typ.New().Interface()) {
			want := proto.Clone(from)
			for _, before := range full {
				to := proto.Clone(before)
				if err := share(to, from); err != nil || !proto.Equal(to, want) {
					t.Errorf("share(%.100v, %.100v) makes %.100v, %v", before, from, to, err)
				}
			}
			if !proto.Equal(from, want) {
				t.Errorf("share changes its source to %.100v", from)
			}
		}
	}
}

// TestShareOtherType checks that a message is copied to its own type only.
func TestShareOtherType(t *testing.T) {
	for from := range prototest.Types() {
		for to := range prototest.Types() {
			err := share(to.New().Interface(), from.New().Interface())
			if same := from.Descriptor() == to.Descriptor(); (err == nil) != same {
				t.Errorf("share of %s to %s: %v", from.Descriptor().Name(), to.Descriptor().Name(), err)
			}
		}
	}
	if share(new(int), new(int)) == nil {
		t.Error("share copies what is no message")
	}
}
