package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/register"
)

// WatchCommits registers metrics of the commits of a register with r. A register without
// commits, the one in memory, has none.
func WatchCommits(r *prometheus.Registry, s register.Store) {
	observed, ok := s.(register.Observed)
	if !ok {
		return
	}
	seconds := prometheus.NewHistogram(histogram(prometheus.HistogramOpts{
		Name: "parity_register_commit_seconds",
		Help: "Time that commits of the register took.",
		// A commit takes 0.2 ms to some ms; one that takes seconds is a disk in trouble.
		Buckets: []float64{0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1, 10},
	}))
	clients := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "parity_register_committed_clients_total",
		Help: "Clients whose changes were in the commits of the register; divided by the number of commits, the size of a group.",
	})
	failed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "parity_register_commits_failed_total",
		Help: "Attempts to commit changes of the register that failed and are repeated.",
	})
	r.MustRegister(seconds, clients, failed)
	observed.Observe(func(n int, took time.Duration, err error) {
		if err != nil {
			failed.Inc()
			return
		}
		seconds.Observe(took.Seconds())
		clients.Add(float64(n))
	})
}
