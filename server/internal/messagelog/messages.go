package messagelog

import (
	"log/slog"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// describe returns what a message is called in the log and what the log tells of
// it. A GetResponse has no line of its own: see transfer.
func describe(m any) (name string, attrs []slog.Attr) {
	switch m := m.(type) {
	case *numbersv1.CountRequest:
		switch kind := m.GetKind().(type) {
		case *numbersv1.CountRequest_Register:
			return "Register", nil // the session's client is on every line
		case *numbersv1.CountRequest_Report:
			return "Report", []slog.Attr{slog.Int64("value", kind.Report.GetValue())}
		case *numbersv1.CountRequest_Draw:
			return "Draw", []slog.Attr{parity(kind.Draw.GetParity())}
		}
		return "CountRequest", nil
	case *numbersv1.CountResponse:
		switch kind := m.GetKind().(type) {
		case *numbersv1.CountResponse_Registered:
			return "Registered", []slog.Attr{
				slog.Int64("value", kind.Registered.GetValue()),
				slog.Int64("number", int64(kind.Registered.GetIncrement())),
				slog.Bool("returning", kind.Registered.GetReturning()),
			}
		case *numbersv1.CountResponse_Increment:
			return "Increment", []slog.Attr{
				slog.Int64("number", int64(kind.Increment.GetNumber())),
				parity(kind.Increment.GetParity()),
			}
		case *numbersv1.CountResponse_Committed:
			return "Committed", []slog.Attr{
				slog.Int64("reports", kind.Committed.GetReports()),
				slog.Int64("value", kind.Committed.GetValue()),
			}
		}
		return "CountResponse", nil
	case *numbersv1.DrawRequest:
		return "DrawRequest", []slog.Attr{parity(m.GetParity())}
	case *numbersv1.DrawResponse:
		return "DrawResponse", []slog.Attr{slog.Int64("number", int64(m.GetNumber())), parity(m.GetParity())}
	case *numbersv1.ListClientsRequest:
		return "ListClientsRequest", []slog.Attr{slog.Int64("page_size", int64(m.GetPageSize()))}
	case *numbersv1.ListClientsResponse:
		return "ListClientsResponse", []slog.Attr{slog.Int("clients", len(m.GetClients()))}
	case *filesv1.ListRequest:
		return "ListRequest", []slog.Attr{slog.String("source", m.GetSource().String())}
	case *filesv1.ListResponse:
		return "ListResponse", []slog.Attr{slog.Int("files", len(m.GetFiles()))}
	case *filesv1.GetRequest:
		return "GetRequest", []slog.Attr{
			slog.String("name", clip(m.GetName())),
			slog.Int64("offset", m.GetOffset()),
			slog.Int64("limit", m.GetLimit()),
		}
	}
	return "", nil
}

func parity(p numbersv1.Parity) slog.Attr {
	switch p {
	case numbersv1.Parity_PARITY_EVEN:
		return slog.String("parity", "even")
	case numbersv1.Parity_PARITY_ODD:
		return slog.String("parity", "odd")
	case numbersv1.Parity_PARITY_UNSPECIFIED:
		return slog.String("parity", "any")
	}
	return slog.Int64("parity", int64(p))
}

// maxText is the most bytes of a client's text in a line: a legal file name fits,
// and no more than that is anybody's to write into the log.
const maxText = 1024

func clip(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
}

// transfer sums up the responses of a Get: one line a call, however many chunks.
type transfer struct {
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

func (t *transfer) attrs(name string) []slog.Attr {
	cache := "miss"
	if t.cached {
		cache = "hit"
	}
	return []slog.Attr{slog.String("name", clip(name)), slog.Int64("bytes", t.bytes), slog.String("cache", cache)}
}
