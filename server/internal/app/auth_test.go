package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tlsfiles/tlstest"
	"example.com/parity/server/internal/auth"
)

// policy has callers who are named as what they may do; their tokens are "token-" and the
// name.
var policy = func() string {
	var text strings.Builder
	for name, grant := range map[string]string{
		"numbers": `roles = ["numbers"]`,
		"files":   `roles = ["files"]`,
		"public":  "roles = [\"files\", \"numbers\"]\nfiles_prefix = \"public/\"",
		"admin":   `roles = ["admin"]`,
		"nothing": `roles = []`,
	} {
		fmt.Fprintf(&text, "[[caller]]\nname = %q\ntoken_sha256 = [%q]\n%s\n", name, auth.Hash("token-"+name), grant)
	}
	return text.String()
}()

// startAuth serves files inside and outside of public/ under the policy.
func startAuth(tb testing.TB, policy string, flags ...string) (r *running, file string) {
	tb.Helper()
	file = filepath.Join(tb.TempDir(), "auth.toml")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		tb.Fatal(err)
	}
	r = start(tb, append([]string{"--auth=" + file}, flags...)...)
	r.write(tb, "public/f", []byte("public"))
	r.write(tb, "secret", []byte("secret"))
	return r, file
}

// calls are a call of each method, by name.
var calls = map[string]func(context.Context, grpc.ClientConnInterface) error{
	"Draw": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, err := numbersv1.NewNumberServiceClient(cc).Draw(ctx, &numbersv1.DrawRequest{})
		return err
	},
	"Count": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		s, _, err := rpcDoor{cc}.count(ctx, 7)
		if err == nil {
			err = s.close()
		}
		return err
	},
	"ListClients": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, err := numbersv1.NewNumberServiceClient(cc).ListClients(ctx, &numbersv1.ListClientsRequest{})
		return err
	},
	"List": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, err := filesv1.NewFileServiceClient(cc).List(ctx, &filesv1.ListRequest{})
		return err
	},
	"Get public/f": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, _, err := download(ctx, filesv1.NewFileServiceClient(cc), &filesv1.GetRequest{Name: "public/f"})
		return err
	},
	"Get secret": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, _, err := download(ctx, filesv1.NewFileServiceClient(cc), &filesv1.GetRequest{Name: "secret"})
		return err
	},
	"Stat secret": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, err := filesv1.NewFileServiceClient(cc).Stat(ctx, &filesv1.StatRequest{Name: "secret"})
		return err
	},
	"List s": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, err := filesv1.NewFileServiceClient(cc).List(ctx, &filesv1.ListRequest{Prefix: "s"})
		return err
	},
	"reflection": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		s, err := grpc_reflection_v1.NewServerReflectionClient(cc).ServerReflectionInfo(ctx)
		if err != nil {
			return err
		}
		if err := s.Send(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
		}); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		_, err = s.Recv()
		return err
	},
	"health": func(ctx context.Context, cc grpc.ClientConnInterface) error {
		_, err := grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	},
}

// TestAuth calls every method as every caller.
func TestAuth(t *testing.T) {
	r, _ := startAuth(t, policy)
	cc := r.dial(t)
	permitted := map[string]string{ // what each may call, beside health
		"numbers": "Draw, Count",
		"files":   "List, List s, Get public/f, Get secret, Stat secret",
		"public":  "Draw, Count, List, Get public/f",
		"admin":   "ListClients, reflection",
		"nothing": "",
		"nobody":  "",
		"":        "",
	}
	for caller, may := range permitted {
		for name, call := range calls {
			ctx := t.Context()
			if caller != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer token-"+caller)
			}
			err := call(ctx, cc)
			code, reason := codes.PermissionDenied, "ROLE_REQUIRED"
			switch {
			case name == "health" || strings.Contains(", "+may+",", ", "+name+","):
				if err != nil {
					t.Errorf("%s of %q: %v", name, caller, err)
				}
				continue
			case caller == "":
				code, reason = codes.Unauthenticated, "CREDENTIALS_REQUIRED"
			case caller == "nobody":
				code, reason = codes.Unauthenticated, "INVALID_TOKEN"
			case caller == "public" && strings.ContainsAny(name, "s") && name != "ListClients" && name != "reflection":
				reason = "FILE_NOT_PERMITTED"
			}
			wantStatus(t, fmt.Sprintf("%s of %q", name, caller), err, code, reason)
		}
	}
	for _, headers := range [][]string{
		{"authorization", "token-files"}, {"authorization", "Basic token-files"}, {"authorization", "Bearer"},
		{"authorization", "Bearer token-files", "authorization", "Bearer token-files"},
		{"authorization", "Bearer " + strings.Repeat("x", auth.MaxToken+1)},
	} {
		err := calls["List"](metadata.AppendToOutgoingContext(t.Context(), headers...), cc)
		wantStatus(t, fmt.Sprintf("List with %.60q", headers), err, codes.Unauthenticated, "INVALID_TOKEN")
	}
	r.stop()
	if got := r.logged(t, `caller="files"`, "msg=GetRequest", `name="secret"`); len(got) != 1 {
		t.Errorf("the log has %q, want one line", got)
	}
	if got := r.logged(t, "token-"); len(got) != 0 {
		t.Errorf("the log has tokens: %q", got)
	}
}

// TestStrangersLog calls without credentials many times: the log has a bounded number of
// lines about it, and none of the messages.
func TestStrangersLog(t *testing.T) {
	r, _ := startAuth(t, policy)
	cc := r.dial(t)
	const n = 1000
	began := time.Now()
	for i := range n {
		if err := calls["Draw"](metadata.AppendToOutgoingContext(t.Context(), "authorization", fmt.Sprint("Bearer guess-", i)), cc); err == nil {
			t.Fatal("a guess was accepted")
		}
	}
	seconds := int(time.Since(began)/time.Second) + 1
	r.stop()
	single, summed := len(r.logged(t, "msg=call", "code=Unauthenticated")), 0
	for _, line := range r.logged(t, `msg="more calls without credentials"`) {
		var count int
		if _, err := fmt.Sscanf(line[strings.Index(line, "calls=")+len("calls="):], "%d", &count); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		summed += count
	}
	if single > 50*(seconds+1) || single+summed != n {
		t.Errorf("%d lines in %d s, and %d calls summed up; want at most 50 a second, and %d in all", single, seconds, summed, n)
	}
	if got := r.logged(t, "msg=DrawRequest"); len(got) > 0 {
		t.Errorf("the log has %d messages of strangers", len(got))
	}
}

// TestCallRate calls faster than the limit.
func TestCallRate(t *testing.T) {
	r := start(t, "--call-rate=5")
	numbers := r.numbersClient(t)
	refused := 0
	for range 20 {
		if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			wantStatus(t, "a call beyond the rate", err, codes.ResourceExhausted, "CALL_RATE")
			refused++
		}
	}
	if refused == 0 {
		t.Error("20 calls at once are permitted at a rate of 5 a second")
	}
	r = start(t, "--call-rate=5", "--trusted-networks=127.0.0.0/8")
	numbers = r.numbersClient(t)
	for range 20 {
		if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Errorf("from a network that stands for many clients: %v", err)
		}
	}
}

// TestAuthNarrowsLists lists as a caller with a prefix.
func TestAuthNarrowsLists(t *testing.T) {
	r, _ := startAuth(t, policy)
	files := r.filesClient(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer token-public")
	for _, prefix := range []string{"", "pub", "public/", "public/f"} {
		resp, err := files.List(ctx, &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, Prefix: prefix})
		if err != nil || len(resp.GetFiles()) != 1 || resp.GetFiles()[0].GetName() != "public/f" {
			t.Errorf("List with prefix %q = %v, %v; want public/f", prefix, resp, err)
		}
	}
}

// TestAuthReload changes the policy. A policy with a mistake changes nothing.
func TestAuthReload(t *testing.T) {
	r, file := startAuth(t, policy)
	cc := r.dial(t)
	draw := func() error {
		return calls["Draw"](metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer token-numbers"), cc)
	}
	if err := draw(); err != nil {
		t.Fatal(err)
	}
	replace := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace("[[caller]]\nname=")
	r.auth.Reload()
	if err := draw(); err != nil || !strings.Contains(r.stderr.String(), "the last policy stays in use") {
		t.Errorf("after a mistake: %v; stderr %q", err, r.stderr)
	}
	replace("")
	for end := time.Now().Add(10 * time.Second); draw() == nil; {
		if time.Now().After(end) {
			t.Fatal("a token that was removed is still accepted")
		}
	}
	wantStatus(t, "Draw with a token that was removed", draw(), codes.Unauthenticated, "INVALID_TOKEN")
}

// TestAuthLegacy narrows the old programs, also behind a standalone gateway.
func TestAuthLegacy(t *testing.T) {
	for name, tt := range map[string]struct {
		policy         string
		numbers, files bool
		secret         bool
	}{
		"as before": {"", true, true, true},
		"numbers":   {"[legacy]\nroles = [\"numbers\"]\n", true, false, false},
		"files":     {"[legacy]\nroles = [\"files\"]\n", false, true, true},
		"a prefix":  {"[legacy]\nroles = [\"numbers\", \"files\"]\nfiles_prefix = \"public/\"\n", true, true, false},
		"nothing":   {"[legacy]\nroles = []\n", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			gateway := "[[caller]]\nname = \"gateway\"\ntoken_sha256 = [\"" + auth.Hash("token-gateway") + "\"]\nroles = [\"numbers\", \"files\"]\n"
			r, _ := startAuth(t, gateway+tt.policy, "--trusted-gateways=127.0.0.1/32")
			addr := startGateway(t, "--upstream="+r.grpcListener.Addr().String(), "--upstream-token=token-gateway")
			for door, d := range map[string]door{"legacy": r.doors(t)["legacy"], "gateway": legacyDoor{addr, addr}} {
				s, _, err := d.count(t.Context(), 7)
				if err == nil {
					err = s.close()
				}
				if (err == nil) != tt.numbers {
					t.Errorf("%s: count: %v, want permitted: %v", door, err, tt.numbers)
				}
				for file, may := range map[string]bool{"public/f": tt.files, "secret": tt.secret} {
					if _, err := d.get(t.Context(), file); (err == nil) != may || errors.Is(err, errNotFound) {
						t.Errorf("%s: get %s: %v, want permitted: %v", door, file, err, may)
					}
				}
			}
		})
	}
}

// TestAuthCertificate calls with client certificates.
func TestAuthCertificate(t *testing.T) {
	cert, certFile, keyFile := tlstest.New(t, t.TempDir()) // of localhost
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	for name, code := range map[string]codes.Code{"localhost": codes.OK, "other": codes.Unauthenticated} {
		r, _ := startAuth(t, "[[caller]]\nname = \"a\"\ncertificates = [\""+name+"\"]\nroles = [\"numbers\"]",
			"--tls-cert="+certFile, "--tls-key="+keyFile, "--tls-client-ca="+certFile)
		cc, err := grpc.NewClient(r.grpcListener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(
			&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}})))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		err = calls["Draw"](t.Context(), cc)
		if code == codes.OK && err != nil {
			t.Errorf("Draw with the certificate of %s: %v", name, err)
		} else if code != codes.OK {
			wantStatus(t, "Draw with another certificate", err, code, "UNKNOWN_CERTIFICATE")
		}
	}
}

// TestAuthAdmin: pages of --admin off loopback need an administrator's token.
func TestAuthAdmin(t *testing.T) {
	r, _ := startAuth(t, policy, "--admin=0.0.0.0:0", "--insecure")
	for _, tt := range []struct {
		path, header string
		want         int
	}{
		{"/metrics", "", 401}, {"/metrics", "Bearer token-files", 401}, {"/metrics", "Basic token-admin", 401},
		{"/metrics", "Bearer token-admin", 200}, {"/debug/pprof/", "", 401}, {"/debug/pprof/", "bearer token-admin", 200},
		{"/healthz", "", 200},
	} {
		req, err := http.NewRequest(http.MethodGet, "http://"+r.front.adminListener.Addr().String()+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", tt.header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("GET %s with %q: %d, want %d", tt.path, tt.header, resp.StatusCode, tt.want)
		}
	}
}

// TestHashToken makes an entry and calls with its token.
func TestHashToken(t *testing.T) {
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("sixteen-or-longer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"--token-file=" + tokenFile}} {
		var out, stderr strings.Builder
		if err := Run(t.Context(), append([]string{"hash-token", "--name=a", "--roles=numbers"}, args...), &out, &stderr); err != nil {
			t.Fatal(err)
		}
		token := "sixteen-or-longer"
		if args == nil {
			token = strings.TrimSpace(strings.TrimPrefix(stderr.String(), "token: "))
		}
		r, _ := startAuth(t, out.String())
		cc, err := grpc.NewClient(r.grpcListener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		if err := calls["Draw"](metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token), cc); err != nil {
			t.Errorf("Draw with the token of %q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"--name=a", "--roles=root"}, {}, {"--name=legacy"}, {"--name=a", "--roles=numbers", "--files-prefix=x"}} {
		if err := Run(t.Context(), append([]string{"hash-token"}, args...), io.Discard, io.Discard); ExitStatus(err) != exitUsage {
			t.Errorf("hash-token %q: %v, want wrong usage", args, err)
		}
	}
}
