package download

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/internal/prototest"
)

// split cuts a message into buffers of n bytes, as frames do.
func split(message []byte, n int) mem.BufferSlice {
	var s mem.BufferSlice
	for len(message) > n {
		s = append(s, mem.SliceBuffer(message[:n]))
		message = message[n:]
	}
	return append(s, mem.SliceBuffer(message))
}

func TestCodec(t *testing.T) {
	message, err := proto.Marshal(&filesv1.GetResponse{
		File: &filesv1.File{Name: "f"}, Data: []byte("0123456789"), Crc32C: proto.Uint32(7),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := new(segment)
	resp := &filesv1.GetResponse{File: &filesv1.File{Name: "old", Version: "old"}}
	if err := newCodec(s).Unmarshal(split(message, 4), resp); err != nil {
		t.Fatal(err)
	}
	if f := resp.GetFile(); f.GetName() != "f" || f.GetVersion() != "" || resp.GetCrc32C() != 7 || resp.Data != nil {
		t.Errorf("got %v", resp)
	}
	var out bytes.Buffer
	if n, err := s.WriteTo(&out); n != 10 || err != nil || out.String() != "0123456789" || s.size != 10 || len(s.parts) < 2 {
		t.Errorf("the segment is %q in %d parts, its size %d; %v", &out, len(s.parts), s.size, err)
	}
	if s.free(); s.size != 0 || s.parts != nil {
		t.Errorf("when freed, the segment is %v", s)
	}
}

// TestCodecKnowsEveryField checks that the codec handles all fields. It would leave every
// message with another one to the slower ordinary codec.
func TestCodecKnowsEveryField(t *testing.T) {
	typ := new(filesv1.GetResponse).ProtoReflect().Type()
	for _, full := range append(prototest.Full(typ), prototest.Single(typ)...) {
		message, err := proto.Marshal(full)
		if err != nil {
			t.Fatal(err)
		}
		var s segment
		got := new(filesv1.GetResponse)
		if !newCodec(&s).takeData(split(message, 3), got) {
			t.Fatalf("the codec leaves %.100v to the ordinary one", full)
		}
		got.Data = bytes.Join(s.parts, nil)
		if !proto.Equal(got, full) {
			t.Errorf("got %.100v, want %.100v", got, full)
		}
	}
}

// counted is a buffer that counts who holds it.
type counted struct {
	mem.Buffer
	refs *int
}

func (c counted) Ref()  { *c.refs++; c.Buffer.Ref() }
func (c counted) Free() { *c.refs--; c.Buffer.Free() }

// Every buffer that is taken is freed, and none too early.
func TestCodecHoldsBuffers(t *testing.T) {
	for _, m := range []*filesv1.GetResponse{
		{Data: []byte("data"), Crc32C: proto.Uint32(1)},
		{File: &filesv1.File{Name: "f"}},
	} {
		message, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		refs := 1 // the transport's
		s := new(segment)
		buffers := mem.BufferSlice{counted{mem.NewBuffer(&message, mem.NopBufferPool{}), &refs}}
		if err := newCodec(s).Unmarshal(buffers, new(filesv1.GetResponse)); err != nil {
			t.Fatal(err)
		}
		if want := 1 + len(s.held); refs != want || len(s.held) != min(len(m.Data), 1) {
			t.Errorf("%d references, want %d; %d held", refs, want, len(s.held))
		}
		if s.free(); refs != 1 {
			t.Errorf("%d references are left", refs)
		}
	}
}

// FuzzCodec decodes any bytes, cut in any way, with the same result as the ordinary codec.
func FuzzCodec(f *testing.F) {
	add := func(m proto.Message) []byte {
		message, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message, uint8(3))
		return message
	}
	add(&filesv1.GetResponse{})
	data := add(&filesv1.GetResponse{Data: []byte("data")})
	file := add(&filesv1.GetResponse{File: &filesv1.File{Name: "f", Version: "1", SizeBytes: 4}})
	crc := add(&filesv1.GetResponse{Crc32C: proto.Uint32(0x01020304)})
	add(&filesv1.GetResponse{FileCrc32C: proto.Uint32(5)})
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 300)
	group := protowire.AppendTag(protowire.AppendTag(nil, 9, protowire.StartGroupType), 9, protowire.EndGroupType)
	for _, parts := range [][][]byte{
		{crc, data, file}, {data, data, file, file}, {data, unknown}, {data, group}, {file[:5]}, {data[:3]}, {crc[:2]},
		{{0x12, 0xff, 0xff, 0xff, 0xff, 0x0f}}, {{0x02}}, {{0xfa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0}},
	} {
		f.Add(bytes.Join(parts, nil), uint8(1))
	}
	f.Fuzz(func(t *testing.T, message []byte, n uint8) {
		want := new(filesv1.GetResponse)
		wantErr := newCodec(nil).CodecV2.Unmarshal(split(message, len(message)), want)
		got := new(filesv1.GetResponse)
		var s segment
		err := newCodec(&s).Unmarshal(split(message, int(n)+1), got)
		got.Data = append(got.Data, bytes.Join(s.parts, nil)...)
		if (err == nil) != (wantErr == nil) || err == nil && !proto.Equal(got, want) {
			t.Errorf("Unmarshal(%x) = %v, %v, want %v, %v", message, got, err, want, wantErr)
		}
	})
}
