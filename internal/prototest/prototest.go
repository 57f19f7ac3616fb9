// Package prototest makes messages of the API for tests of code that copies or encodes
// messages field by field. It works by descriptor, so it includes the messages, fields and
// alternatives that the API gains.
package prototest

import (
	"fmt"
	"iter"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "example.com/parity/gen/parity/files/v1"   // registers its messages
	_ "example.com/parity/gen/parity/numbers/v1" // registers its messages
)

// maxDepth bounds the nesting of messages that contain themselves.
const maxDepth = 8

// textSize is the length of strings and bytes. It exceeds the sizes below which code may
// prefer to copy.
const textSize = 4 << 10

// Types returns the type of every message of the API, nested ones included.
func Types() iter.Seq[protoreflect.MessageType] {
	return func(yield func(protoreflect.MessageType) bool) {
		protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
			d := m.Descriptor()
			return !strings.HasPrefix(string(d.FullName()), "parity.") || d.IsMapEntry() || yield(m)
		})
	}
}

// Full returns messages of the type with all fields set, one for each alternative of its
// oneofs. Numbers are negative where they can be, which makes them long on the wire.
func Full(t protoreflect.MessageType) []proto.Message {
	n := 1
	for i := range t.Descriptor().Oneofs().Len() {
		n = max(n, t.Descriptor().Oneofs().Get(i).Fields().Len())
	}
	all := make([]proto.Message, n)
	for choice := range all {
		m := t.New()
		fill(m, choice, 0)
		all[choice] = m.Interface()
	}
	return all
}

// Single returns messages of the type with one field set, one for each field.
func Single(t protoreflect.MessageType) []proto.Message {
	fields := t.Descriptor().Fields()
	all := make([]proto.Message, fields.Len())
	for i := range all {
		m := t.New()
		set(m, fields.Get(i), 0, 0)
		all[i] = m.Interface()
	}
	return all
}

// fill sets all fields of m, and of each oneof the alternative of that index.
func fill(m protoreflect.Message, choice, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if of := field.ContainingOneof(); of != nil && of.Fields().Get(choice%of.Fields().Len()) != field {
			continue
		}
		set(m, field, choice, depth)
	}
}

func set(m protoreflect.Message, field protoreflect.FieldDescriptor, choice, depth int) {
	switch {
	case field.IsMap():
		key := scalar(field.MapKey()).MapKey()
		values := m.Mutable(field).Map()
		if field.MapValue().Message() == nil {
			values.Set(key, scalar(field.MapValue()))
		} else if depth < maxDepth {
			fill(values.Mutable(key).Message(), choice, depth+1)
		}
	case field.IsList():
		for range 2 {
			if field.Message() == nil {
				m.Mutable(field).List().Append(scalar(field))
			} else if depth < maxDepth {
				fill(m.Mutable(field).List().AppendMutable().Message(), choice, depth+1)
			}
		}
	case field.Message() != nil:
		if depth < maxDepth {
			fill(m.Mutable(field).Message(), choice, depth+1)
		}
	default:
		m.Set(field, scalar(field))
	}
}

func scalar(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(-2) // enums are open: unknown values survive
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(-3)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(1<<32 - 4)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(-5)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(1<<64 - 6)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(-7.5)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(-8.5)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("x", textSize))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(strings.Repeat("y", textSize)))
	}
	panic(fmt.Sprintf("prototest: %s has the unknown kind %v", field.FullName(), field.Kind()))
}
