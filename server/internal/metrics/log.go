package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/messagelog"
)

// NewLog returns a counter of the bytes that a log has lost.
func NewLog(log *messagelog.Log) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "parity_log_lost_bytes_total",
		Help: "Bytes of log lines that could not be written.",
	}, func() float64 { return float64(log.Lost()) })
}
