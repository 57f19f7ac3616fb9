package codec

import (
	"testing"

	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/internal/prototest"
)

// TestEveryField compares the codec with the ordinary one for every message of the API:
// with all fields, with each field alone and with none, as a constant and not.
func TestEveryField(t *testing.T) {
	shared := 0
	for typ := range prototest.Types() {
		all := append(append(prototest.Full(typ), prototest.Single(typ)...), typ.New().Interface())
		plain := newCodec(t)
		constant := newCodec(t, all...)
		for _, m := range all {
			wire, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			want := typ.New().Interface()
			if err := proto.Unmarshal(wire, want); err != nil {
				t.Fatal(err)
			}
			for _, c := range []Codec{plain, constant} {
				buffers, err := c.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := m.(*filesv1.GetResponse); ok && len(buffers) == 2 {
					shared++
				}
				got := typ.New().Interface()
				if err := proto.Unmarshal(buffers.Materialize(), got); err != nil || !proto.Equal(got, want) {
					t.Errorf("encodes %.100v as %.100v, %v", want, got, err)
				}
				buffers.Free()
			}
		}
	}
	if shared != 2 { // with all fields and with data alone, not as a constant
		t.Errorf("%d responses share their data, want 2", shared)
	}
}
