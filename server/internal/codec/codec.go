// Package codec encodes messages for the gRPC door. It differs from the ordinary protobuf
// codec in two ways, neither of them visible on the wire: the bytes of a file go out
// directly from the cache, behind a small header, instead of being copied into an encoded
// message; and constant messages are encoded only once.
package codec

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	protobuf "google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// minShared is the minimum size of data that is shared, in bytes. Copying less costs less
// than another buffer.
const minShared = 1 << 10

// dataField is the field number of GetResponse.data.
var dataField = (*filesv1.GetResponse)(nil).ProtoReflect().Descriptor().Fields().ByName("data").Number()

// Codec is the codec for grpc.ForceServerCodecV2. It is safe for concurrent use.
type Codec struct {
	encoding.CodecV2
	constants map[any]mem.SliceBuffer // by pointer
}

// New returns a codec. It has the name of the ordinary one, "proto". The constants are
// messages that are sent often, identified by their pointers, and never change.
func New[M protobuf.Message](constants ...M) (Codec, error) {
	c := Codec{encoding.GetCodecV2(proto.Name), make(map[any]mem.SliceBuffer, len(constants))}
	for _, m := range constants {
		encoded, err := protobuf.Marshal(m)
		if err != nil {
			return Codec{}, fmt.Errorf("encode constant: %w", err)
		}
		c.constants[m] = encoded
	}
	return c, nil
}

// Marshal encodes a message. The result shares the message's data, which must not change
// any more.
func (c Codec) Marshal(m any) (mem.BufferSlice, error) {
	if encoded, ok := c.constants[m]; ok {
		return mem.BufferSlice{encoded}, nil
	}
	resp, ok := m.(*filesv1.GetResponse)
	if !ok || len(resp.GetData()) < minShared {
		return c.CodecV2.Marshal(m)
	}
	// The order of fields is free: the data goes last.
	rest := &filesv1.GetResponse{File: resp.GetFile(), Crc32C: resp.Crc32C, FileCrc32C: resp.FileCrc32C}
	header, err := protobuf.MarshalOptions{}.MarshalAppend(make([]byte, 0, 32), rest)
	if err != nil {
		return nil, err
	}
	header = protowire.AppendTag(header, dataField, protowire.BytesType)
	header = protowire.AppendVarint(header, uint64(len(resp.GetData())))
	return mem.BufferSlice{mem.SliceBuffer(header), mem.SliceBuffer(resp.GetData())}, nil
}
