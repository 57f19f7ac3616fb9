package inproc

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestShareEveryField: some messages are shared field by field, by hand. A field that
// the API gains must not be lost on the way, and none may stay from what the target was
// before.
func TestShareEveryField(t *testing.T) {
	shared := 0
	for _, file := range []protoreflect.FileDescriptor{filesv1.File_parity_files_v1_files_proto, numbersv1.File_parity_numbers_v1_numbers_proto} {
		for i := range file.Messages().Len() {
			message, err := protoregistry.GlobalTypes.FindMessageByName(file.Messages().Get(i).FullName())
			if err != nil {
				t.Fatal(err)
			}
			fields := message.Descriptor().Fields()
			for j := range fields.Len() {
				from, to := message.New().Interface(), message.New().Interface()
				set(t, from, fields.Get(j))
				if err := share(to, from); err != nil || !proto.Equal(to, from) {
					t.Errorf("%s: shared as %v, %v", fields.Get(j).FullName(), to, err)
				}
				empty := message.New().Interface()
				if err := share(to, empty); err != nil || !proto.Equal(to, empty) {
					t.Errorf("%s: stays in the target: %v, %v", fields.Get(j).FullName(), to, err)
				}
				shared++
			}
		}
	}
	if shared == 0 {
		t.Error("no field was shared")
	}
}

// set sets a field of m, whichever it is, by what it looks like on the wire.
func set(tb testing.TB, m proto.Message, field protoreflect.FieldDescriptor) {
	tb.Helper()
	var wire []byte
	switch field.Kind() {
	case protoreflect.MessageKind:
		wire = protowire.AppendBytes(protowire.AppendTag(wire, field.Number(), protowire.BytesType), nil)
	case protoreflect.BytesKind, protoreflect.StringKind:
		wire = protowire.AppendString(protowire.AppendTag(wire, field.Number(), protowire.BytesType), "x")
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		wire = protowire.AppendFixed32(protowire.AppendTag(wire, field.Number(), protowire.Fixed32Type), 1)
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		wire = protowire.AppendFixed64(protowire.AppendTag(wire, field.Number(), protowire.Fixed64Type), 1)
	default:
		wire = protowire.AppendVarint(protowire.AppendTag(wire, field.Number(), protowire.VarintType), 1)
	}
	if err := proto.Unmarshal(wire, m); err != nil {
		tb.Fatal(err)
	}
	if !m.ProtoReflect().Has(field) {
		tb.Fatalf("%s is not set", field.FullName())
	}
}
