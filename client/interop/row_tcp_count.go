package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

// The client IDs of the cases, counted from that of the place.
const (
	tcpDrawID = 1 + iota
	tcpSessionID
	tcpExtremesID
)

const (
	tcpDraws     = 20
	tcpMaxNumber = 99
)

func tcpDrawEven(ctx context.Context, _ *tcpRow, at place) error {
	return tcpDraw(ctx, at, numbersv1.Parity_PARITY_EVEN)
}

func tcpDrawOdd(ctx context.Context, _ *tcpRow, at place) error {
	return tcpDraw(ctx, at, numbersv1.Parity_PARITY_ODD)
}

// tcpDraw draws in a session: there is no other way.
func tcpDraw(ctx context.Context, at place, parity numbersv1.Parity) error {
	conn, _, err := legacytcp.DialNumbers(ctx, at.legacy, int32(at.idBase+tcpDrawID))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for range tcpDraws {
		if err := drawFrom(ctx, conn, parity); err != nil {
			return err
		}
	}
	return nil
}

// drawFrom draws one number and checks it.
func drawFrom(ctx context.Context, conn *legacytcp.NumberConn, parity numbersv1.Parity) error {
	n, err := conn.Draw(ctx, parity)
	if err == nil && (n < 0 || n > tcpMaxNumber || (n%2 == 1) != (parity == numbersv1.Parity_PARITY_ODD)) {
		err = fmt.Errorf("drew %d, want %v", n, parity)
	}
	return err
}

// tcpCountSession reports and draws. The protocol confirms no reports, so a second session
// tells that the last one has arrived.
func tcpCountSession(ctx context.Context, _ *tcpRow, at place) error {
	id := int32(at.idBase + tcpSessionID)
	conn, _, err := legacytcp.DialNumbers(ctx, at.legacy, id)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for value := range int64(3) {
		if err := conn.Report(value + 1); err != nil {
			return err
		}
	}
	for _, p := range []numbersv1.Parity{numbersv1.Parity_PARITY_ODD, numbersv1.Parity_PARITY_EVEN} {
		if err := drawFrom(ctx, conn, p); err != nil {
			return err
		}
	}
	return wantLastValue(ctx, at, id, 3)
}

// wantLastValue returns an error unless a new session of the client starts at that value.
func wantLastValue(ctx context.Context, at place, id int32, want int64) error {
	conn, value, err := legacytcp.DialNumbers(ctx, at.legacy, id)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if value != want {
		return fmt.Errorf("the next session starts at %d, want %d", value, want)
	}
	return nil
}

func tcpCountInt64Extremes(ctx context.Context, _ *tcpRow, at place) error {
	id := int32(at.idBase + tcpExtremesID)
	for _, value := range []int64{math.MaxInt64, math.MinInt64, 1<<53 + 1} {
		conn, _, err := legacytcp.DialNumbers(ctx, at.legacy, id)
		if err != nil {
			return err
		}
		err = conn.Report(value)
		if err == nil { // which the server has taken when it answers what follows
			err = drawFrom(ctx, conn, numbersv1.Parity_PARITY_EVEN)
		}
		_ = conn.Close()
		if err == nil {
			err = wantLastValue(ctx, at, id, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tcpCountResume has the program count, shut down, connect again and go on. It chooses its
// client ID itself.
func tcpCountResume(ctx context.Context, r *tcpRow, at place) error {
	host, port, err := net.SplitHostPort(at.legacy)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stdin, typed, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	defer typed.Close()
	values, stdout := io.Pipe()
	context.AfterFunc(ctx, func() { _ = values.Close() }) // nobody may be reading
	cmd := exec.Command(r.binary, host, port)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	type ending struct {
		*finished
		err error
	}
	ended := make(chan ending, 1)
	go func() {
		f, err := runProcess(ctx, cmd)
		_ = stdout.Close()
		ended <- ending{f, err}
	}()

	counted, err := resume(typed, bufio.NewScanner(values))
	if err != nil {
		stop()
	}
	end := <-ended
	switch {
	case err != nil:
		return fmt.Errorf("%w%s", err, after(end.finished))
	case end.err != nil:
		return end.err
	case end.code != tcpOK:
		return fmt.Errorf("exit status %d%s", end.code, after(end.finished))
	}
	first := strings.SplitN(string(end.stderr.kept), "\n", 2)[0]
	id, err := strconv.ParseInt(strings.TrimPrefix(first, "client ID: "), 10, 32)
	if err != nil {
		return fmt.Errorf("the first message is %q, want the client ID", first)
	}
	return wantLastValue(ctx, at, int32(id), counted)
}

// resume types the commands of tcp_client, and checks that it counts on after the second
// connection. It returns the last value.
func resume(typed io.Writer, values *bufio.Scanner) (last int64, err error) {
	if _, err := io.WriteString(typed, "c\n"); err != nil {
		return 0, err
	}
	next := func() (int64, error) {
		if !values.Scan() {
			return 0, errors.Join(errors.New("the program has ended"), values.Err())
		}
		return strconv.ParseInt(values.Text(), 10, 64)
	}
	first, err := next()
	if err != nil {
		return 0, err
	}
	// Its first draw is 3 s away, so it counts by 1.
	if last, err = next(); err != nil {
		return 0, err
	} else if last != first+1 {
		return 0, fmt.Errorf("counted from %d to %d", first, last)
	}
	if _, err := io.WriteString(typed, "s\nc\n"); err != nil {
		return 0, err
	}
	before := last
	if last, err = next(); err != nil {
		return 0, err
	} else if last != before+1 {
		return 0, fmt.Errorf("went on from %d to %d", before, last)
	}
	if _, err := io.WriteString(typed, "exit\n"); err != nil {
		return 0, err
	}
	// It may have counted on before it read that.
	for values.Scan() {
		if last, err = strconv.ParseInt(values.Text(), 10, 64); err != nil {
			return 0, err
		}
	}
	return last, values.Err()
}
