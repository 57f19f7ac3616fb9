package inproc

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// share makes to a shallow copy of from. That is safe because nobody modifies a sent
// message, or what a received message points to. The messages of streams are copied field
// by field: reflection would cost more than the rest of the call.
func share(to, from any) error {
	switch from := from.(type) {
	case *filesv1.GetResponse:
		if to, ok := to.(*filesv1.GetResponse); ok {
			to.File, to.Data, to.Crc32C, to.FileCrc32C = from.File, from.Data, from.Crc32C, from.FileCrc32C
			return nil
		}
	case *numbersv1.CountRequest:
		if to, ok := to.(*numbersv1.CountRequest); ok {
			to.Kind = from.Kind
			return nil
		}
	case *numbersv1.CountResponse:
		if to, ok := to.(*numbersv1.CountResponse); ok {
			to.Kind = from.Kind
			return nil
		}
	}
	target, ok := to.(proto.Message)
	source, ok2 := from.(proto.Message)
	if !ok || !ok2 || target.ProtoReflect().Descriptor() != source.ProtoReflect().Descriptor() {
		return fmt.Errorf("%T is no %T", from, to)
	}
	proto.Reset(target)
	proto.Merge(target, source)
	return nil
}
