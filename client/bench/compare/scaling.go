package main

import (
	"fmt"
	"strings"
)

// grid is a table of how cost grows: Parity and a baseline at several sizes and
// numbers of clients.
type grid struct {
	name     string // with the unit, and what the baseline is
	unit     unit
	baseline target
	rows     []gridRow
}

type gridRow struct {
	name string
	load string // without the number of clients
}

// gridClients are the columns of every grid.
var gridClients = []int{1, 4, 16, 64}

// cell returns the works of a row and a column.
func (g grid) cell(r gridRow, clients int) (parityWork, baselineWork work) {
	verb, rest, _ := strings.Cut(r.load, " ")
	load := strings.TrimSpace(fmt.Sprintf("%s --clients %d %s", verb, clients, rest))
	return work{parity, load}, work{g.baseline, load}
}

var grids = []grid{
	{"gRPC Get, MB/s (× bare grpc-go)", megabytes, bare, []gridRow{
		{"4 KiB", "get --file f4k"},
		{"1 MiB", "get --file f1m"},
		{"32 MiB", "get --file f32m"},
		{"1 GiB", "get --file f1g"},
	}},
	{"legacy Get, MB/s (× raw TCP)", megabytes, raw, []gridRow{
		{"4 KiB", "legacy-get --file f4k"},
		{"1 MiB", "legacy-get --file f1m"},
		{"32 MiB", "legacy-get --file f32m"},
		{"1 GiB", "legacy-get --file f1g"},
	}},
	{"gRPC, numbers a second (× bare grpc-go)", operations, bare, []gridRow{
		{"Count draws", "count"},
		{"Draw", "draw"},
	}},
	{"legacy, numbers a second (× raw TCP)", operations, raw, []gridRow{
		{"draws", "legacy-draw"},
	}},
}
