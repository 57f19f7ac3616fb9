package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/alecthomas/units"

	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/register"
)

// commandLine is what the program can be told to do.
type commandLine struct {
	Serve   serveConfig   `cmd:"" default:"withargs" help:"Serve numbers and the files of a directory (the default command)."`
	Gateway gatewayConfig `cmd:"" help:"Serve the original TCP protocols alone, in front of gRPC servers elsewhere."`
}

// command is one of them, with its flags.
type command interface {
	// validate checks what the parser cannot, and fills in what depends on other
	// flags. Its errors name the flag.
	validate() error
	// run does it until ctx is done.
	run(ctx context.Context, stderr io.Writer) error
}

// commonConfig is what both commands can be told. Every flag can be set by an
// environment variable as well: --drain-timeout by PARITY_DRAIN_TIMEOUT.
type commonConfig struct {
	Admin        string        `default:"localhost:9090" placeholder:"ADDRESS" help:"Where to serve metrics, health and profiles over HTTP (${default}; empty: nowhere)."`
	Insecure     bool          `help:"Serve gRPC without TLS, and metrics, health and profiles, on addresses other than loopback."`
	DrainTimeout time.Duration `default:"10s" placeholder:"DURATION" help:"How long open calls may go on when the program is told to stop (${default})."`

	Legacy                      string         `default:"localhost:2004" placeholder:"ADDRESS" help:"Where to serve both original TCP protocols (${default}; empty: nowhere)."`
	LegacyFiles                 string         `placeholder:"ADDRESS" help:"Where to serve the original file protocol alone (nowhere)."`
	LegacyAllow                 []netip.Prefix `placeholder:"CIDR" help:"Take the original protocols only from these addresses; may be repeated (all)."`
	LegacyConnections           int            `default:"16384" placeholder:"N" help:"How many connections of the original protocols may be open (${default})."`
	LegacyConnectionsPerAddress int            `default:"12288" placeholder:"N" help:"How many of them from one address, or one IPv6 network of 64 bits (${default})."`
	LegacyNotFound              string         `default:"File not found" placeholder:"TEXT" help:"What the original file protocol answers where there is no such file (${default})."`
	LegacyBareReplies           bool           `help:"Send numbers without the blank that ends them, byte for byte as the original server did."`

	TrustedNetworks []netip.Prefix `placeholder:"CIDR" help:"Networks such as NATs and proxies, whose addresses stand for many clients: no bound on connections per address; may be repeated (none)."`
	ReportRate      int            `default:"1000" placeholder:"N" help:"How many values a second are taken from one counting session (${default})."`
}

// serveConfig is what the serve command can be told.
type serveConfig struct {
	Directory string `arg:"" help:"The directory whose files are served."`

	GRPC            string         `name:"grpc" default:"localhost:50051" placeholder:"ADDRESS" help:"Where to serve gRPC (${default})."`
	TLSCert         string         `name:"tls-cert" placeholder:"FILE" help:"The gRPC server's certificate chain, PEM."`
	TLSKey          string         `name:"tls-key" placeholder:"FILE" help:"Its private key, PEM."`
	TLSClientCA     string         `name:"tls-client-ca" placeholder:"FILE" help:"Take gRPC only from clients with a certificate of these authorities, PEM."`
	TrustedGateways []netip.Prefix `placeholder:"CIDR" help:"Believe gateways at these addresses for whom they call; may be repeated (none)."`

	GRPCConnections           int `name:"grpc-connections" default:"4096" placeholder:"N" help:"How many gRPC connections there may be (${default})."`
	GRPCConnectionsPerAddress int `name:"grpc-connections-per-address" default:"1024" placeholder:"N" help:"How many of them one address may have, or one IPv6 network of 64 bits (${default}); trusted gateways and networks may have all."`

	commonConfig

	DataDir     string            `default:"." placeholder:"DIR" help:"The directory of the server's own files (${default})."`
	LogFile     string            `placeholder:"FILE" help:"The log of messages (DATA-DIR/server.log)."`
	LogFormat   messagelog.Format `default:"text" enum:"text,json" placeholder:"text|json" help:"The format of its lines (${default})."`
	LogMessages bool              `default:"true" negatable:"" help:"Log every message; else calls only."`
	LogMaxSize  units.Base2Bytes  `default:"100MiB" placeholder:"SIZE" help:"At which size the log is set aside for a new one (${default})."`
	LogKeep     int               `default:"5" placeholder:"N" help:"How many logs set aside are kept (${default})."`

	State       string           `placeholder:"STORE" help:"Where the register of clients is kept: bolt:FILE, memory: or redis://HOST:PORT (bolt:DATA-DIR/numbers.db)."`
	ReplyBuffer units.Base2Bytes `default:"64MiB" placeholder:"SIZE" help:"How many bytes may wait in memory for clients that read slowly, beyond 64 KiB a gRPC connection and 16 KiB one of the original protocols (${default})."`
	CacheSize   units.Base2Bytes `default:"64MiB" placeholder:"SIZE" help:"How many bytes of files to keep in memory (${default})."`
	MaxClientID int32            `name:"max-client-id" default:"10000" placeholder:"ID" help:"The greatest client ID (${default}); the least is 0."`

	SessionsPerClient int `default:"64" placeholder:"N" help:"How many counting sessions one client ID may have open at a time (${default}; 0: any number)."`
}

// gatewayConfig is what the gateway command can be told.
type gatewayConfig struct {
	Upstream     string `required:"" placeholder:"TARGET" help:"The gRPC servers, as a gRPC target: HOST:PORT or dns:///HOST:PORT; calls go to all addresses in turn."`
	UpstreamTLS  bool   `name:"upstream-tls" help:"Call them over TLS, verified by the system's authorities."`
	UpstreamCA   string `name:"upstream-ca" placeholder:"FILE" help:"Call them over TLS, verified by these authorities, PEM."`
	UpstreamCert string `name:"upstream-cert" placeholder:"FILE" help:"The certificate to show them, PEM."`
	UpstreamKey  string `name:"upstream-key" placeholder:"FILE" help:"Its private key, PEM."`

	commonConfig
}

// usageError is a mistake in how the program was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// parse reads the command line and the environment. It returns nil where the user
// asked for help only, and got it.
func parse(args []string, stdout, stderr io.Writer) (command, error) {
	var (
		line   commandLine
		helped bool
	)
	parser, err := kong.New(&line,
		kong.Name("server"),
		kong.Description("Numbers and files over gRPC and over the original TCP protocols."),
		kong.DefaultEnvars("PARITY"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(args)
	switch {
	case helped:
		return nil, nil
	case err != nil:
		return nil, &usageError{err}
	}
	var cmd command = &line.Serve
	if parsed.Command() == "gateway" {
		cmd = &line.Gateway
	}
	if err := cmd.validate(); err != nil {
		return nil, &usageError{err}
	}
	return cmd, nil
}

// maxReportRate is beyond what one session could ever report: a microsecond each.
const maxReportRate = 1_000_000

func (c *commonConfig) validate() error {
	if c.Admin != "" {
		loopback, err := isLoopback(c.Admin)
		switch {
		case err != nil:
			return fmt.Errorf("--admin: %w", err)
		case !loopback && !c.Insecure:
			return fmt.Errorf("--admin: %s can be reached from other machines, and everyone who reaches it is served: set --insecure", c.Admin)
		}
	}
	switch {
	case c.DrainTimeout < 0:
		return fmt.Errorf("--drain-timeout: must not be negative, is %s", c.DrainTimeout)
	case c.LegacyNotFound == "":
		return errors.New("--legacy-not-found: must not be empty: clients would take it for an empty file")
	case c.LegacyConnections < 1:
		return fmt.Errorf("--legacy-connections: must be 1 or more, is %d", c.LegacyConnections)
	case c.LegacyConnectionsPerAddress < 1:
		return fmt.Errorf("--legacy-connections-per-address: must be 1 or more, is %d", c.LegacyConnectionsPerAddress)
	case c.ReportRate < 1 || c.ReportRate > maxReportRate:
		return fmt.Errorf("--report-rate: must be 1 to %d, is %d", maxReportRate, c.ReportRate)
	}
	return nil
}

func (c *serveConfig) validate() error {
	if c.LogFile == "" {
		c.LogFile = filepath.Join(c.DataDir, "server.log")
	}
	if c.State == "" {
		c.State = "bolt:" + filepath.Join(c.DataDir, "numbers.db")
	}
	loopback, err := isLoopback(c.GRPC)
	switch {
	case err != nil:
		return fmt.Errorf("--grpc: %w", err)
	case !loopback && !c.hasTLS() && !c.Insecure:
		return fmt.Errorf("--grpc: %s can be reached from other machines: set --tls-cert and --tls-key, or --insecure", c.GRPC)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key: set both or none")
	case c.TLSClientCA != "" && !c.hasTLS():
		return errors.New("--tls-client-ca: needs --tls-cert and --tls-key")
	case c.LogMaxSize < 1<<20:
		return fmt.Errorf("--log-max-size: must be 1MiB or more, is %d", c.LogMaxSize)
	case c.LogKeep < 1:
		return fmt.Errorf("--log-keep: must be 1 or more, is %d", c.LogKeep)
	case c.GRPCConnections < 1:
		return fmt.Errorf("--grpc-connections: must be 1 or more, is %d", c.GRPCConnections)
	case c.GRPCConnectionsPerAddress < 1:
		return fmt.Errorf("--grpc-connections-per-address: must be 1 or more, is %d", c.GRPCConnectionsPerAddress)
	case c.ReplyBuffer < 0:
		return fmt.Errorf("--reply-buffer: must not be negative, is %d", c.ReplyBuffer)
	case c.CacheSize < 0:
		return fmt.Errorf("--cache-size: must not be negative, is %d", c.CacheSize)
	case c.MaxClientID < 0:
		return fmt.Errorf("--max-client-id: must not be negative, is %d", c.MaxClientID)
	case c.SessionsPerClient < 0:
		return fmt.Errorf("--sessions-per-client: must not be negative, is %d", c.SessionsPerClient)
	}
	if err := register.Validate(c.State); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return c.commonConfig.validate()
}

func (c *gatewayConfig) validate() error {
	switch {
	case (c.UpstreamCert == "") != (c.UpstreamKey == ""):
		return errors.New("--upstream-cert and --upstream-key: set both or none")
	case c.UpstreamCert != "" && !c.hasTLS():
		return errors.New("--upstream-cert: needs --upstream-tls or --upstream-ca")
	case c.Legacy == "" && c.LegacyFiles == "":
		return errors.New("--legacy: must not be empty where --legacy-files is: there is nothing to serve")
	}
	return c.commonConfig.validate()
}

func (c *serveConfig) hasTLS() bool { return c.TLSCert != "" }

func (c *gatewayConfig) hasTLS() bool { return c.UpstreamTLS || c.UpstreamCA != "" }

// isLoopback reports whether an address to listen on can be reached from this
// machine only.
func isLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, err
	}
	if strings.EqualFold(host, "localhost") {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback(), nil
}
