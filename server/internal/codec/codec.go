// Package codec encodes messages for the gRPC door. It is the ordinary protobuf
// codec but for two kinds of messages: the bytes of a file are handed over as they
// lie in the cache, with a small header before them, instead of being copied into an
// encoded message first; and messages that never change are encoded once. On the
// wire there is no difference.
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

// minShared is how many bytes of data are worth a buffer of their own: copying
// fewer costs less than handling another buffer.
const minShared = 1 << 10

// dataField is the number of GetResponse's data.
var dataField = (*filesv1.GetResponse)(nil).ProtoReflect().Descriptor().Fields().ByName("data").Number()

// Codec is the codec for grpc.ForceServerCodecV2.
type Codec struct {
	encoding.CodecV2
	constants map[any]mem.SliceBuffer // by pointer
}

// New returns the codec. Its name is that of the ordinary one, "proto". The constants
// are messages that are sent often, as those very pointers, and never change.
func New[M protobuf.Message](constants ...M) (Codec, error) {
	c := Codec{encoding.GetCodecV2(proto.Name), make(map[any]mem.SliceBuffer, len(constants))}
	for _, m := range constants {
		encoded, err := protobuf.Marshal(m)
		if err != nil {
			return Codec{}, fmt.Errorf("encode a constant: %w", err)
		}
		c.constants[m] = encoded
	}
	return c, nil
}

// Marshal encodes a message. The buffers that it returns share the message's data,
// which must not be written to any more.
func (c Codec) Marshal(m any) (mem.BufferSlice, error) {
	if encoded, ok := c.constants[m]; ok {
		return mem.BufferSlice{encoded}, nil
	}
	resp, ok := m.(*filesv1.GetResponse)
	if !ok || len(resp.GetData()) < minShared {
		return c.CodecV2.Marshal(m)
	}
	// Fields may come in any order: what is not data goes first.
	rest := &filesv1.GetResponse{File: resp.GetFile(), Crc32C: resp.Crc32C, FileCrc32C: resp.FileCrc32C}
	header, err := protobuf.MarshalOptions{}.MarshalAppend(make([]byte, 0, 32), rest)
	if err != nil {
		return nil, err
	}
	header = protowire.AppendTag(header, dataField, protowire.BytesType)
	header = protowire.AppendVarint(header, uint64(len(resp.GetData())))
	return mem.BufferSlice{mem.SliceBuffer(header), mem.SliceBuffer(resp.GetData())}, nil
}
