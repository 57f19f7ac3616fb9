package messagelog

import (
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// nameOf is what a message is called in the log; "" if it has no line of its own.
func nameOf(m any) string {
	switch m := m.(type) {
	case *numbersv1.CountRequest:
		switch m.GetKind().(type) {
		case *numbersv1.CountRequest_Register:
			return "Register"
		case *numbersv1.CountRequest_Report:
			return "Report"
		case *numbersv1.CountRequest_Draw:
			return "Draw"
		}
		return "CountRequest"
	case *numbersv1.CountResponse:
		switch m.GetKind().(type) {
		case *numbersv1.CountResponse_Registered:
			return "Registered"
		case *numbersv1.CountResponse_Increment:
			return "Increment"
		case *numbersv1.CountResponse_Committed:
			return "Committed"
		}
		return "CountResponse"
	case *numbersv1.DrawRequest:
		return "DrawRequest"
	case *numbersv1.DrawResponse:
		return "DrawResponse"
	case *numbersv1.ListClientsRequest:
		return "ListClientsRequest"
	case *numbersv1.ListClientsResponse:
		return "ListClientsResponse"
	case *filesv1.ListRequest:
		return "ListRequest"
	case *filesv1.ListResponse:
		return "ListResponse"
	case *filesv1.GetRequest:
		return "GetRequest"
	}
	return "" // a GetResponse: see transfer
}

// message adds what the log tells of a message beside its name.
func (l *line) message(m any) {
	switch m := m.(type) {
	case *numbersv1.CountRequest:
		switch kind := m.GetKind().(type) {
		case *numbersv1.CountRequest_Report:
			l.int("value", kind.Report.GetValue())
			if repeats := kind.Report.GetRepeatsSession(); repeats != "" {
				l.text("repeats", repeats)
			}
		case *numbersv1.CountRequest_Draw:
			l.parity(kind.Draw.GetParity())
		}
	case *numbersv1.CountResponse:
		switch kind := m.GetKind().(type) {
		case *numbersv1.CountResponse_Registered:
			l.int("value", kind.Registered.GetValue())
			l.int("number", int64(kind.Registered.GetIncrement()))
			l.bool("returning", kind.Registered.GetReturning())
			l.text("session", kind.Registered.GetSession()) // what a Report may say that it repeats
		case *numbersv1.CountResponse_Increment:
			l.int("number", int64(kind.Increment.GetNumber()))
			l.parity(kind.Increment.GetParity())
		case *numbersv1.CountResponse_Committed:
			l.int("reports", kind.Committed.GetReports())
			l.int("value", kind.Committed.GetValue())
		}
	case *numbersv1.DrawRequest:
		l.parity(m.GetParity())
	case *numbersv1.DrawResponse:
		l.int("number", int64(m.GetNumber()))
		l.parity(m.GetParity())
	case *numbersv1.ListClientsRequest:
		l.int("page_size", int64(m.GetPageSize()))
	case *numbersv1.ListClientsResponse:
		l.int("clients", int64(len(m.GetClients())))
	case *filesv1.ListRequest:
		l.word("source", m.GetSource().String())
	case *filesv1.ListResponse:
		l.int("files", int64(len(m.GetFiles())))
	case *filesv1.GetRequest:
		l.text("name", m.GetName())
		l.int("offset", m.GetOffset())
		l.int("limit", m.GetLimit())
	}
}

func (l *line) parity(p numbersv1.Parity) {
	switch p {
	case numbersv1.Parity_PARITY_EVEN:
		l.word("parity", "even")
	case numbersv1.Parity_PARITY_ODD:
		l.word("parity", "odd")
	case numbersv1.Parity_PARITY_UNSPECIFIED:
		l.word("parity", "any")
	default:
		l.int("parity", int64(p))
	}
}

// transfer sums up the responses of a Get: one line a call, however many chunks.
type transfer struct {
	name    string
	started bool
	cached  bool
	bytes   int64
}

func (t *transfer) add(m *filesv1.GetResponse) {
	if f := m.GetFile(); f != nil {
		t.started, t.cached = true, f.GetCached()
	}
	t.bytes += int64(len(m.GetData()))
}

func (l *line) transfer(t *transfer) {
	l.text("name", t.name)
	l.int("bytes", t.bytes)
	if t.cached {
		l.word("cache", "hit")
	} else {
		l.word("cache", "miss")
	}
}
