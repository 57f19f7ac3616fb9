package codec

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// TestEveryField: Marshal puts a GetResponse together by hand. A field that the API
// gains must not be lost on the way.
func TestEveryField(t *testing.T) {
	full := new(filesv1.GetResponse)
	fill(t, full)
	full.Data = bytes.Repeat([]byte{'A'}, minShared)
	c, err := New[proto.Message]()
	if err != nil {
		t.Fatal(err)
	}
	buffers, err := c.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if len(buffers) != 2 {
		t.Fatalf("encoded in %d buffers, want the header and the data", len(buffers))
	}
	got := new(filesv1.GetResponse)
	if err := proto.Unmarshal(buffers.Materialize(), got); err != nil || !proto.Equal(got, full) {
		t.Errorf("decoded %.200v, %v, want %.200v", got, err, full)
	}
}

// fill sets every field of m, whichever it has, by what they look like on the wire.
func fill(tb testing.TB, m proto.Message) {
	tb.Helper()
	var wire []byte
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		number := fields.Get(i).Number()
		switch fields.Get(i).Kind() {
		case protoreflect.MessageKind:
			wire = protowire.AppendBytes(protowire.AppendTag(wire, number, protowire.BytesType), nil)
		case protoreflect.BytesKind, protoreflect.StringKind:
			wire = protowire.AppendString(protowire.AppendTag(wire, number, protowire.BytesType), "x")
		case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
			wire = protowire.AppendFixed32(protowire.AppendTag(wire, number, protowire.Fixed32Type), 1)
		case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
			wire = protowire.AppendFixed64(protowire.AppendTag(wire, number, protowire.Fixed64Type), 1)
		default:
			wire = protowire.AppendVarint(protowire.AppendTag(wire, number, protowire.VarintType), 1)
		}
	}
	if err := proto.Unmarshal(wire, m); err != nil {
		tb.Fatal(err)
	}
	for i := range fields.Len() {
		if !m.ProtoReflect().Has(fields.Get(i)) {
			tb.Fatalf("%s is not set", fields.Get(i).FullName())
		}
	}
}
