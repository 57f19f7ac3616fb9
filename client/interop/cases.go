package main

// A testCase is one thing that every client should be able to do. README.md says what
// each demands.
type testCase struct {
	name string
	// server says on which server it runs.
	server serverKind
}

// serverKind selects one of the servers of the fixture.
type serverKind uint8

const (
	plain    serverKind = iota // gRPC without TLS, and the original protocols
	withTLS                    // gRPC with TLS
	withAuth                   // gRPC without TLS, only for callers with sampleToken
)

// benchCase is the name that drivers have for the measurement of a download. It is no
// case: it cannot pass or fail.
const benchCase = "bench_get"

// cases are all cases, in the order in which they run and are printed.
var cases = []testCase{
	{name: "draw_even"},
	{name: "draw_odd"},
	{name: "count_session"},
	{name: "count_resume"},
	{name: "count_bad_first_message"},
	{name: "count_headers_first"},
	{name: "count_int64_extremes"},
	{name: "list_cache"},
	{name: "list_paged"},
	{name: "list_prefix"},
	{name: "stat"},
	{name: "get_small"},
	{name: "get_large"},
	{name: "get_range"},
	{name: "get_resume_version"},
	{name: "get_changed"},
	{name: "get_missing"},
	{name: "get_bad_name"},
	{name: "get_out_of_range"},
	{name: "cancel_mid_stream"},
	{name: "deadline"},
	{name: "checksum"},
	{name: "gzip"},
	{name: "tls", server: withTLS},
	{name: "token", server: withAuth},
	{name: "health"},
	{name: "reflection"},
}
