package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"

	"github.com/alecthomas/units"

	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/register"
)

// serveCommand serves numbers and the files of a directory through all doors.
type serveCommand struct {
	Directory string `arg:"" help:"The directory whose files are served."`

	GRPC            string         `name:"grpc" default:"localhost:50051" placeholder:"ADDRESS" help:"Address for gRPC (${default})."`
	Auth            string         `name:"auth" placeholder:"FILE" help:"Who may call what: names, tokens, certificates and roles, TOML (everybody may do everything)."`
	TrustedGateways []netip.Prefix `placeholder:"CIDR" help:"Trust client addresses forwarded by gateways in this range; may be repeated (none)."`

	GRPCConnections           int `name:"grpc-connections" default:"4096" placeholder:"N" help:"Maximum open gRPC connections (${default})."`
	GRPCConnectionsPerAddress int `name:"grpc-connections-per-address" default:"1024" placeholder:"N" help:"Maximum of them from one address, or one IPv6 network of 64 bits (${default}); not for trusted gateways and networks."`

	CallRate int `default:"0" placeholder:"N" help:"Maximum calls a second of one client, which is a caller of --auth or else an address (${default}; 0: no limit); not for trusted gateways and networks."`

	commonFlags

	DataDir     string            `default:"." placeholder:"DIR" help:"Directory of the server's own files (${default})."`
	LogFile     string            `placeholder:"FILE" help:"Log of all messages (DATA-DIR/server.log)."`
	LogFormat   messagelog.Format `default:"text" enum:"text,json" placeholder:"text|json" help:"Format of its lines (${default})."`
	LogMessages bool              `default:"true" negatable:"" help:"Log a line for each message; if off, only for each call."`
	LogMaxSize  units.Base2Bytes  `default:"100MiB" placeholder:"SIZE" help:"Size at which the log is rotated (${default})."`
	LogKeep     int               `default:"5" placeholder:"N" help:"Number of rotated logs to keep (${default})."`

	Hidden  bool     `help:"Serve dotfiles too: names of which a part begins with a dot."`
	Allow   []string `placeholder:"GLOB" help:"Serve only names that match; ** matches any number of directories; may be repeated (all)."`
	Exclude []string `placeholder:"GLOB" help:"Do not serve names that match, even if they are allowed; may be repeated (none)."`

	State       string           `placeholder:"STORE" help:"Store of the register of clients: sqlite:FILE, memory: or redis://HOST:PORT (sqlite:DATA-DIR/numbers.db)."`
	ReplyBuffer units.Base2Bytes `default:"64MiB" placeholder:"SIZE" help:"Maximum bytes of replies for slow readers, and of requests that wait, in memory; beyond 64 KiB of each for each gRPC connection and 16 KiB for each of the original protocols (${default})."`
	CacheSize   units.Base2Bytes `default:"64MiB" placeholder:"SIZE" help:"Maximum bytes of files in memory (${default})."`
	MaxClientID int32            `name:"max-client-id" default:"10000" placeholder:"ID" help:"Largest client ID (${default}); the smallest is 0."`

	SessionsPerClient int `default:"64" placeholder:"N" help:"Maximum open counting sessions of one client ID (${default}; 0: no limit)."`
}

// AfterApply implements command.
func (c *serveCommand) AfterApply() error {
	if c.LogFile == "" {
		c.LogFile = filepath.Join(c.DataDir, "server.log")
	}
	if c.State == "" {
		c.State = "sqlite:" + filepath.Join(c.DataDir, "numbers.db")
	}
	loopback, err := isLoopback(c.GRPC)
	switch {
	case err != nil:
		return fmt.Errorf("--grpc: %w", err)
	case !loopback && c.grpcConsent() != nil:
		return fmt.Errorf("--grpc: %s can be reached from other machines: %w", c.GRPC, c.grpcConsent())
	}
	if err := (filecache.Selection{Allow: c.Allow}).Validate(); err != nil {
		return fmt.Errorf("--allow: %w", err)
	}
	if err := (filecache.Selection{Exclude: c.Exclude}).Validate(); err != nil {
		return fmt.Errorf("--exclude: %w", err)
	}
	if err := register.Validate(c.State); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return cmp.Or(c.check(), checkBounds(
		bound{"--grpc-connections", int64(c.GRPCConnections), 1, math.MaxInt32},
		bound{"--grpc-connections-per-address", int64(c.GRPCConnectionsPerAddress), 1, math.MaxInt32},
		bound{"--call-rate", int64(c.CallRate), 0, math.MaxInt32},
		bound{"--cache-size", int64(c.CacheSize), 0, math.MaxInt64},
		bound{"--reply-buffer", int64(c.ReplyBuffer), 0, math.MaxInt64},
		bound{"--log-max-size", int64(c.LogMaxSize), minLogSize, math.MaxInt64},
		bound{"--log-keep", int64(c.LogKeep), 1, math.MaxInt32},
		bound{"--max-client-id", int64(c.MaxClientID), 0, math.MaxInt32},
		bound{"--sessions-per-client", int64(c.SessionsPerClient), 0, math.MaxInt32},
	))
}

// minLogSize keeps the rotated logs, of which there are --log-keep, from being replaced
// within seconds.
const minLogSize = 1 << 20

// grpcConsent returns why --grpc must not be reachable from other machines, or nil.
func (c *serveCommand) grpcConsent() error {
	if c.hasTLS() || c.Insecure {
		return nil
	}
	return errors.New("set --tls-cert and --tls-key, or --insecure")
}

// Run implements command.
func (c *serveCommand) Run(ctx context.Context, to streams) error {
	limitMemory(newOperatorLog(to.err))
	var s *server
	err := within(ctx, func() (err error) {
		s, err = open(ctx, c, to.err)
		return err
	})
	switch {
	case errors.Is(err, errHangs): // and there is nothing to save yet
		return fmt.Errorf("stopped while starting, which %w", err)
	case errors.Is(err, context.Canceled): // while it waited for its register
		return nil
	case err != nil:
		return err
	}
	return s.serve(ctx)
}
