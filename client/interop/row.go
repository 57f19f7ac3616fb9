package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A row is one client: it runs cases against the servers of the fixture.
type row interface {
	name() string
	// build makes the row ready to run. An error says what is missing, and how to
	// install it.
	build(ctx context.Context, f *fixture) error
	// run runs a case. It returns nil if the case passed, an absentError if this client
	// cannot have the case, or why it failed. ctx bounds it.
	run(ctx context.Context, c testCase, at place) error
	// bench returns how fast the client downloads testfiles.BenchName from the cache, in
	// 10^6 bytes a second, or an absentError.
	bench(ctx context.Context, at place) (float64, error)
}

// place is where a row runs its cases.
type place struct {
	grpc, tls, auth, legacy string // addresses, HOST:PORT
	ca                      string // PEM file of the authority of tls
	dir                     string // that the servers serve
	idBase                  int    // the row uses the client IDs idBase to idBase+99
	row                     string // its name, and that of its changing file
}

// addr returns the gRPC address for a case.
func (p place) addr(c testCase) string {
	switch c.server {
	case withTLS:
		return p.tls
	case withAuth:
		return p.auth
	}
	return p.grpc
}

// absentError is why a client cannot have a case: not a failure.
type absentError struct{ reason string }

func (e absentError) Error() string { return e.reason }

// absent returns the error that its argument is the reason of.
func absent(reason string) error { return absentError{reason} }

// isAbsent returns the reason if err is an absentError.
func isAbsent(err error) (reason string, ok bool) {
	var e absentError
	ok = errors.As(err, &e)
	return e.reason, ok
}

// allRows are the rows, in the order in which they run and are printed.
func allRows() []row {
	return []row{
		&driverRow{title: "go", prepare: buildGoDriver},
		&driverRow{title: "python", prepare: driverScript("python")},
		&driverRow{title: "typescript", prepare: driverScript("typescript")},
		&driverRow{title: "rust", prepare: driverScript("rust")},
		&driverRow{title: "java", prepare: driverScript("java")},
		&grpcurlRow{},
		&tcpRow{},
	}
}

// rowsNamed returns the rows that a comma-separated list names, or all for an empty list.
func rowsNamed(list string) ([]row, error) {
	all := allRows()
	if list == "" {
		return all, nil
	}
	var chosen []row
	asked := strings.Split(list, ",")
	for _, r := range all {
		if slices.Contains(asked, r.name()) {
			chosen = append(chosen, r)
		}
	}
	for _, name := range asked {
		if !slices.ContainsFunc(all, func(r row) bool { return r.name() == name }) {
			return nil, fmt.Errorf("--rows: there is no row %q, only %s", name, strings.Join(rowNames(all), ", "))
		}
	}
	return chosen, nil
}

func rowNames(rows []row) []string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.name()
	}
	return names
}
