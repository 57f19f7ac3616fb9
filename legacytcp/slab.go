package legacytcp

import (
	"sync"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// slabReports is how many reports are allocated at once: 4 KiB. A goroutine that
// allocates during a garbage collection must do a GC assist first. If each of ten
// thousand sessions allocated each of its reports, the assists would exceed the work of
// the collection itself.
const slabReports = 32

// slab is memory for reports. Each is used once, because the receiver of a message may
// keep it.
type slab struct {
	used    int
	reports [slabReports]struct {
		request numbersv1.CountRequest
		kind    numbersv1.CountRequest_Report
		report  numbersv1.Report
	}
}

var slabs = sync.Pool{New: func() any { return new(slab) }}

// newReport returns the report of a new value.
func newReport(value int64) *numbersv1.CountRequest {
	s := slabs.Get().(*slab)
	r := &s.reports[s.used]
	if s.used++; s.used < slabReports {
		slabs.Put(s)
	}
	r.report.Value = value
	r.kind.Report = &r.report
	r.request.Kind = &r.kind
	return &r.request
}

// newRepeat returns a report of a value that was first reported in another session. It is
// too rare for a slab.
func newRepeat(value int64, session string) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{
		Report: &numbersv1.Report{Value: value, RepeatsSession: session},
	}}
}
