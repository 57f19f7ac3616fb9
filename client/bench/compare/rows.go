package main

import "fmt"

// target is a program under load.
type target int

const (
	parity   target = iota
	bare            // grpc-go without any of Parity
	raw             // plain Go TCP
	services        // Parity without the log, the counters and the recovery from panics
	roomy           // Parity with a cache that f1g fits into
)

func (t target) String() string {
	return [...]string{"Parity", "bare grpc-go", "raw TCP", "the services alone", "Parity with a large cache"}[t]
}

// work is one load on one target.
type work struct {
	target target
	load   string // as client bench is told, but for where and how long
}

func (w work) String() string { return fmt.Sprintf("%v: %s", w.target, w.load) }

// row is one line of the comparison: a work of Parity, and its baselines.
type row struct {
	name    string
	unit    unit
	load    string
	against []baseline
	target  target // parity, or another one of its variants
}

func (r row) work() work { return work{r.target, r.load} }

// baseline is a work that a row is compared with.
type baseline struct {
	name    string
	work    work
	atLeast float64 // Parity's part of it
}

const (
	megabytes  unit = "MB/s"
	operations unit = "1/s"
)

// alone is the baseline for the cost of the interceptors: less than a tenth.
func alone(load string) baseline {
	return baseline{"without log, metrics, recovery", work{services, load}, 0.9}
}

// unit is the unit of a rate.
type unit string

// rows are the comparisons. Parity is meant to reach the least ratios.
var rows = []row{
	{"gRPC Get, 32 MiB cached, 1 client, generated stub", megabytes, "get --file f32m", []baseline{
		{"bare grpc-go, 64 KiB", work{bare, "get --file f32m"}, 2.2},
		{"raw TCP", work{raw, "legacy-get --file f32m"}, 0.45},
		alone("get --file f32m"),
	}, parity},
	{"the same, Parity's download client", megabytes, "get --download --file f32m", []baseline{
		{"bare grpc-go, 64 KiB, generated stub", work{bare, "get --file f32m"}, 2.6},
		{"raw TCP", work{raw, "legacy-get --file f32m"}, 0.5},
	}, parity},
	{"gRPC Get, 32 MiB cached, 4 clients", megabytes, "get --clients 4 --file f32m", []baseline{
		{"bare grpc-go, 64 KiB", work{bare, "get --clients 4 --file f32m"}, 1.6},
	}, parity},
	{"gRPC Get, 1 GiB cached, 1 client, ranges over 4 connections", megabytes, "get --download --parallel 4 --file f1g", []baseline{
		{"over 1 connection", work{roomy, "get --download --file f1g"}, 1.3},
	}, roomy},
	{"gRPC Get, 4 KiB cached, 64 clients", operations, "get --clients 64 --file f4k", []baseline{
		{"bare grpc-go", work{bare, "get --clients 64 --file f4k"}, 0.9},
		alone("get --clients 64 --file f4k"),
	}, parity},
	{"legacy Get, 32 MiB cached, 1 client", megabytes, "legacy-get --file f32m", []baseline{
		{"raw TCP", work{raw, "legacy-get --file f32m"}, 0.92},
		alone("legacy-get --file f32m"),
	}, parity},
	{"legacy Get, 32 MiB cached, 4 clients", megabytes, "legacy-get --clients 4 --file f32m", []baseline{
		{"raw TCP", work{raw, "legacy-get --clients 4 --file f32m"}, 0.92},
	}, parity},
	{"legacy Get, 4 KiB cached, 1 client", operations, "legacy-get --file f4k", []baseline{
		{"plain Go server", work{raw, "legacy-get --file f4k"}, 0.75},
	}, parity},
	{"legacy Get, 4 KiB cached, 64 clients", operations, "legacy-get --clients 64 --file f4k", []baseline{
		{"plain Go server", work{raw, "legacy-get --clients 64 --file f4k"}, 0.75},
		alone("legacy-get --clients 64 --file f4k"),
	}, parity},
	{"gRPC Count draws, 64 streams, 1 connection", operations, "count --clients 64 --connections 1", []baseline{
		{"bare ping-pong", work{bare, "count --clients 64 --connections 1"}, 0.85},
		alone("count --clients 64 --connections 1"),
	}, parity},
	{"gRPC Count draws, 64 streams, 64 connections", operations, "count --clients 64", []baseline{
		{"bare ping-pong", work{bare, "count --clients 64"}, 0.85},
	}, parity},
	{"legacy draws, 64 connections", operations, "legacy-draw --clients 64", []baseline{
		{"raw TCP echo", work{raw, "legacy-draw --clients 64"}, 0.8},
		alone("legacy-draw --clients 64"),
	}, parity},
	{"gRPC Get, 32 MiB not cached, 1 client", megabytes, "get --file cold1 --file cold2 --file cold3", []baseline{
		{"the same, cached", work{parity, "get --file f32m"}, 0.6},
	}, parity},
	{"legacy Get, 32 MiB not cached, 1 client", megabytes, "legacy-get --file cold1 --file cold2 --file cold3", []baseline{
		{"the same, cached", work{parity, "legacy-get --file f32m"}, 0.6},
	}, parity},
}
