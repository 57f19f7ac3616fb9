package messagelog

import (
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// message begins the line of a message and adds its fields. It reports false for a
// message without a line of its own, such as a GetResponse: see transfer.
func (l *line) message(scope []byte, m any) bool {
	switch m := m.(type) {
	case *numbersv1.CountRequest:
		l.countRequest(scope, m)
	case *numbersv1.CountResponse:
		l.countResponse(scope, m)
	case *numbersv1.DrawRequest:
		l.begin(info, "DrawRequest", scope)
		l.parity(m.GetParity())
	case *numbersv1.DrawResponse:
		l.begin(info, "DrawResponse", scope)
		l.int("number", int64(m.GetNumber()))
		l.parity(m.GetParity())
	case *numbersv1.ListClientsRequest:
		l.begin(info, "ListClientsRequest", scope)
		l.int("page_size", int64(m.GetPageSize()))
	case *numbersv1.ListClientsResponse:
		l.begin(info, "ListClientsResponse", scope)
		l.int("clients", int64(len(m.GetClients())))
	case *filesv1.ListRequest:
		l.begin(info, "ListRequest", scope)
		l.word("source", m.GetSource().String())
		if prefix := m.GetPrefix(); prefix != "" {
			l.text("prefix", prefix)
		}
	case *filesv1.ListResponse:
		l.begin(info, "ListResponse", scope)
		l.int("files", int64(len(m.GetFiles())))
	case *filesv1.GetRequest:
		l.begin(info, "GetRequest", scope)
		l.text("name", m.GetName())
		l.int("offset", m.GetOffset())
		l.int("limit", m.GetLimit())
	case *filesv1.StatRequest:
		l.begin(info, "StatRequest", scope)
		l.text("name", m.GetName())
	case *filesv1.StatResponse:
		l.begin(info, "StatResponse", scope)
		l.text("name", m.GetFile().GetName())
		l.int("size", m.GetFile().GetSizeBytes())
	default:
		return false
	}
	return true
}

func (l *line) countRequest(scope []byte, m *numbersv1.CountRequest) {
	switch kind := m.GetKind().(type) {
	case *numbersv1.CountRequest_Registration:
		l.begin(info, "Register", scope) // the scope has the client's ID
	case *numbersv1.CountRequest_Report:
		l.begin(info, "Report", scope)
		l.int("value", kind.Report.GetValue())
		if repeats := kind.Report.GetRepeatsSession(); repeats != "" {
			l.text("repeats", repeats)
		}
	case *numbersv1.CountRequest_Draw:
		l.begin(info, "Draw", scope)
		l.parity(kind.Draw.GetParity())
	default:
		l.begin(info, "CountRequest", scope)
	}
}

func (l *line) countResponse(scope []byte, m *numbersv1.CountResponse) {
	switch kind := m.GetKind().(type) {
	case *numbersv1.CountResponse_Registered:
		l.begin(info, "Registered", scope)
		l.int("value", kind.Registered.GetValue())
		l.int("number", int64(kind.Registered.GetIncrement()))
		l.bool("returning", kind.Registered.GetReturning())
		l.text("session", kind.Registered.GetSession()) // the "repeats" of later reports
	case *numbersv1.CountResponse_Increment:
		l.begin(info, "Increment", scope)
		l.int("number", int64(kind.Increment.GetNumber()))
		l.parity(kind.Increment.GetParity())
	case *numbersv1.CountResponse_Committed:
		l.begin(info, "Committed", scope)
		l.int("reports", kind.Committed.GetReports())
		l.int("value", kind.Committed.GetValue())
	default:
		l.begin(info, "CountResponse", scope)
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

// transfer is the sum of the responses of a Get, which have one line together.
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
