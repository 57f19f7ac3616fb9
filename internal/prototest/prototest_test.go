package prototest

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestFull checks that every field of every message is set in at least one of its full
// messages, that nested messages are full too, and that all survive encoding.
func TestFull(t *testing.T) {
	names := map[protoreflect.FullName]bool{}
	for typ := range Types() {
		names[typ.Descriptor().FullName()] = true
		seen := map[protoreflect.FieldNumber]bool{}
		for _, m := range Full(typ) {
			m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
				seen[f.Number()] = true
				if f.Message() != nil && !f.IsList() && !f.IsMap() && v.Message().Descriptor().Fields().Len() > 0 && proto.Size(v.Message().Interface()) == 0 {
					t.Errorf("%s is empty", f.FullName())
				}
				return true
			})
			wire, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got := typ.New().Interface()
			if err := proto.Unmarshal(wire, got); err != nil || !proto.Equal(got, m) {
				t.Errorf("%s does not survive encoding: %v", typ.Descriptor().FullName(), err)
			}
		}
		fields := typ.Descriptor().Fields()
		if len(seen) != fields.Len() || len(Single(typ)) != fields.Len() {
			t.Errorf("%s: %d fields set, %d single ones, want %d", typ.Descriptor().FullName(), len(seen), len(Single(typ)), fields.Len())
		}
	}
	for _, want := range []protoreflect.FullName{"parity.files.v1.GetResponse", "parity.numbers.v1.CountRequest"} {
		if !names[want] {
			t.Errorf("Types does not return %s", want)
		}
	}
}

func TestAlternatives(t *testing.T) {
	kinds := map[string]bool{}
	for _, m := range Full((*numbersv1.CountRequest)(nil).ProtoReflect().Type()) {
		switch m.(*numbersv1.CountRequest).GetKind().(type) {
		case *numbersv1.CountRequest_Registration:
			kinds["register"] = true
		case *numbersv1.CountRequest_Report:
			kinds["report"] = true
		case *numbersv1.CountRequest_Draw:
			kinds["draw"] = true
		}
	}
	if len(kinds) != 3 {
		t.Errorf("alternatives %v, want all three", kinds)
	}
}

// TestOtherKinds fills a message with maps and lists that contains itself.
func TestOtherKinds(t *testing.T) {
	for _, m := range Full((*structpb.Value)(nil).ProtoReflect().Type()) {
		if proto.Size(m) == 0 {
			t.Errorf("%v is empty", m)
		}
	}
}
