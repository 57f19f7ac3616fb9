package codec

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// newCodec returns a codec with those constants.
func newCodec(tb testing.TB, constants ...proto.Message) Codec {
	tb.Helper()
	c, err := New(constants...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestSameOnTheWire decodes the output of Marshal with the ordinary decoder, for sizes
// around every boundary.
func TestSameOnTheWire(t *testing.T) {
	constant := &numbersv1.DrawResponse{Number: 57, Parity: numbersv1.Parity_PARITY_ODD}
	c := newCodec(t, constant)
	if c.Name() != "proto" {
		t.Errorf("Name() = %q, want proto", c.Name())
	}
	file := &filesv1.File{Name: "größe", SizeBytes: 1 << 40, Modified: timestamppb.Now(), Version: "v", Cached: true}
	for _, size := range []int{0, 1, minShared - 1, minShared, minShared + 1, 1<<14 - 1, 1 << 14, 1 << 20} {
		data := bytes.Repeat([]byte{'A'}, size)
		for _, m := range []proto.Message{
			&filesv1.GetResponse{Data: data},
			&filesv1.GetResponse{Data: data, File: file},
			&filesv1.GetResponse{Data: data, Crc32C: proto.Uint32(0)},
			&filesv1.GetResponse{Data: data, File: file, Crc32C: proto.Uint32(0xDEADBEEF)},
			&filesv1.GetRequest{Name: string(data)},
			&numbersv1.DrawResponse{Number: 98, Parity: numbersv1.Parity_PARITY_EVEN},
			&numbersv1.DrawResponse{Number: 57, Parity: numbersv1.Parity_PARITY_EVEN}, // not the constant
			constant,
		} {
			buffers, err := c.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got := m.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(buffers.Materialize(), got); err != nil || !proto.Equal(got, m) {
				t.Errorf("%T with %d bytes of data: decoded %.100v, %v", m, size, got, err)
			}
			buffers.Free()
		}
	}
}

// TestConstant checks that a constant is encoded once.
func TestConstant(t *testing.T) {
	constant := &numbersv1.DrawResponse{Number: 57}
	c := newCodec(t, constant)
	var first []*byte
	for range 2 {
		buffers, err := c.Marshal(constant)
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, &buffers[0].ReadOnlyData()[0])
	}
	if first[0] != first[1] {
		t.Error("the constant was encoded twice")
	}
}

// TestShared checks that the data of a file is not copied.
func TestShared(t *testing.T) {
	data := make([]byte, minShared)
	buffers, err := newCodec(t).Marshal(&filesv1.GetResponse{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if last := buffers[len(buffers)-1].ReadOnlyData(); &last[0] != &data[0] {
		t.Error("the data was copied")
	}
}
