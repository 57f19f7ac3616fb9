package messagelog

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/prototest"
)

// lineOf returns the line of a message, without its time, and whether it has one.
func lineOf(tb testing.TB, m any) (string, bool) {
	tb.Helper()
	l := (&Log{format: Text}).newLine()
	defer l.free()
	ok := l.message([]byte(" client=7"), m)
	return string(l.b), ok
}

// TestMessages checks the line of each kind of message.
func TestMessages(t *testing.T) {
	register := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: 7}}}
	report := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: 12}}}
	repeated := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: 12, RepeatsSession: "s"}}}
	draw := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: numbersv1.Parity_PARITY_ODD}}}
	registered := &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{
		Registered: &numbersv1.Registered{Value: 12, Increment: 57, Returning: true, Session: "s"}}}
	increment := &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{
		Increment: &numbersv1.Increment{Number: 98, Parity: numbersv1.Parity_PARITY_EVEN}}}
	committed := &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Committed{
		Committed: &numbersv1.Committed{Reports: 3, Value: 12}}}
	for _, tt := range []struct {
		m    any
		want string
	}{
		{register, "Register client=7"},
		{report, "Report client=7 value=12"},
		{repeated, `Report client=7 value=12 repeats="s"`},
		{draw, "Draw client=7 parity=odd"},
		{&numbersv1.CountRequest{}, "CountRequest client=7"},
		{registered, `Registered client=7 value=12 number=57 returning=true session="s"`},
		{increment, "Increment client=7 number=98 parity=even"},
		{committed, "Committed client=7 reports=3 value=12"},
		{&numbersv1.CountResponse{}, "CountResponse client=7"},
		{&numbersv1.DrawRequest{}, "DrawRequest client=7 parity=any"},
		{&numbersv1.DrawRequest{Parity: 9}, "DrawRequest client=7 parity=9"},
		{&numbersv1.DrawResponse{Number: 57, Parity: numbersv1.Parity_PARITY_ODD}, "DrawResponse client=7 number=57 parity=odd"},
		{&numbersv1.ListClientsRequest{PageSize: 5}, "ListClientsRequest client=7 page_size=5"},
		{&numbersv1.ListClientsResponse{Clients: make([]*numbersv1.Client, 2)}, "ListClientsResponse client=7 clients=2"},
		{&filesv1.ListRequest{Source: filesv1.Source_SOURCE_CACHE}, "ListRequest client=7 source=SOURCE_CACHE"},
		{&filesv1.ListResponse{Files: make([]*filesv1.File, 3)}, "ListResponse client=7 files=3"},
		{&filesv1.GetRequest{Name: "a b", Offset: 1, Limit: 2}, `GetRequest client=7 name="a b" offset=1 limit=2`},
	} {
		if got, ok := lineOf(t, tt.m); !ok || got != " level=INFO msg="+tt.want {
			t.Errorf("%T has the line %q, want %q", tt.m, got, tt.want)
		}
	}
	if line, ok := lineOf(t, &filesv1.GetResponse{}); ok || line != "" {
		t.Errorf("a GetResponse has the line %q", line)
	}
}

// TestEveryMessage checks that the request and the response of every method have a line.
// The responses of Get have one line together.
func TestEveryMessage(t *testing.T) {
	checked := 0
	check := func(m protoreflect.MessageDescriptor) {
		for typ := range prototest.Types() {
			if typ.Descriptor().FullName() != m.FullName() || m.Name() == "GetResponse" {
				continue
			}
			for _, m := range prototest.Full(typ) {
				checked++
				if line, ok := lineOf(t, m); !ok || !strings.Contains(line, "=") {
					t.Errorf("%s has the line %q, %v", typ.Descriptor().FullName(), line, ok)
				}
			}
		}
	}
	for _, file := range []protoreflect.FileDescriptor{filesv1.File_parity_files_v1_files_proto, numbersv1.File_parity_numbers_v1_numbers_proto} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				check(methods.Get(j).Input())
				check(methods.Get(j).Output())
			}
		}
	}
	if checked == 0 {
		t.Error("no message was checked")
	}
}
