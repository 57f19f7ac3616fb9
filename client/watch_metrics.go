package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"example.com/parity/internal/bearer"
)

// maxMetrics bounds what is read of a server's metrics, in bytes: a server has some tens
// of KiB.
const maxMetrics = 4 << 20

// watchMetrics are figures of a server's metrics.
type watchMetrics struct {
	GRPCConnections   int64              `json:"grpc_connections"`
	LegacyConnections int64              `json:"legacy_connections"`
	HeldBytes         int64              `json:"reply_bytes_held"` // for slow readers
	Calls             map[string]float64 `json:"calls_per_second,omitempty"`
	Failed            float64            `json:"failed_calls_per_second"`
	Sent              float64            `json:"sent_bytes_per_second"`
	Opens             map[string]float64 `json:"cache_opens_per_second,omitempty"` // by their result
}

// metricsReader reads metrics, and remembers the counters for the next time.
type metricsReader struct {
	url    string
	token  string // empty for none
	client *http.Client
	at     time.Time
	before counters
}

// counters are those of one look.
type counters struct {
	calls, opens map[string]float64
	failed, sent float64
}

func newMetricsReader(address, token string) (*metricsReader, error) {
	m := &metricsReader{url: address, token: token, client: &http.Client{
		Timeout:   watchTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment},
		// The token is for this address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if token == "" {
		return m, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	// The same rule as for gRPC: not in plain text over a network.
	if _, err := bearer.Option(token, host, u.Scheme == "https"); err != nil {
		return nil, usageError{fmt.Errorf("--metrics: %w", err)}
	}
	return m, nil
}

func (m *metricsReader) close() { m.client.CloseIdleConnections() }

// checkMetricsURL checks the address of metrics, which may be empty.
func checkMetricsURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return nil
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is no address such as http://localhost:9090/metrics", address)
	}
	return nil
}

func (m *metricsReader) read(ctx context.Context) (*watchMetrics, error) {
	families, err := m.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	now := time.Now()
	c := counters{
		calls: sumBy(families["grpc_server_handled_total"], "grpc_method", nil),
		opens: sumBy(families["parity_cache_opens_total"], "result", nil),
	}
	failed := sumBy(families["grpc_server_handled_total"], "", func(labels map[string]string) bool { return labels["grpc_code"] != "OK" })
	c.failed, c.sent = failed[""], total(families["parity_sent_bytes_total"])
	s := &watchMetrics{
		GRPCConnections:   int64(total(families["parity_grpc_connections"])),
		LegacyConnections: int64(total(families["parity_legacy_connections"])),
		HeldBytes:         int64(total(families["parity_reply_bytes_held"])),
	}
	if passed := now.Sub(m.at).Seconds(); !m.at.IsZero() && passed > 0 {
		s.Calls = perSecond(m.before.calls, c.calls, passed)
		s.Opens = perSecond(m.before.opens, c.opens, passed)
		s.Failed = max(c.failed-m.before.failed, 0) / passed
		s.Sent = max(c.sent-m.before.sent, 0) / passed
	}
	m.at, m.before = now, c
	return s, nil
}

func (m *metricsReader) fetch(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, nil)
	if err != nil {
		return nil, err
	}
	if m.token != "" {
		request.Header.Set("Authorization", "Bearer "+m.token)
	}
	resp, err := m.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", m.url, resp.Status)
	}
	body := &io.LimitedReader{R: resp.Body, N: maxMetrics + 1}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if body.N <= 0 {
		return nil, errors.New("too long to be the metrics of a Parity server")
	}
	if err != nil {
		return nil, fmt.Errorf("%s has no metrics: %w", m.url, err)
	}
	return families, nil
}

// sumBy adds up the metrics of a family that have the same value of a label.
func sumBy(family *dto.MetricFamily, label string, which func(labels map[string]string) bool) map[string]float64 {
	sums := map[string]float64{}
	for _, m := range family.GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if which == nil || which(labels) {
			sums[labels[label]] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sums
}

func total(family *dto.MetricFamily) float64 { return sumBy(family, "", nil)[""] }

// perSecond returns by how much each counter has grown. One that is lower is of a server
// that was started since.
func perSecond(before, after map[string]float64, seconds float64) map[string]float64 {
	rates := map[string]float64{}
	for name, n := range after {
		if grown := n - before[name]; grown > 0 {
			rates[name] = grown / seconds
		}
	}
	return rates
}
