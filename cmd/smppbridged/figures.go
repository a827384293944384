package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/cluster"
	"smppbridge/store"
)

// figures exposes the counts of cluster and store, which know nothing of Prometheus.
type figures struct {
	cluster *cluster.Node
	store   *store.Store
	descs   map[string]*prometheus.Desc
}

// figureHelp is the closed list of metrics that figures collects.
var figureHelp = map[string]string{
	"cluster_leader":               "1 if this node leads.",
	"cluster_term":                 "Raft's term.",
	"cluster_last_index":           "Last index of Raft's log.",
	"cluster_commit_index":         "Last index known to be committed.",
	"cluster_applied_index":        "Last index in the state file.",
	"cluster_log_bytes":            "Size of Raft's log files.",
	"cluster_disk_free_bytes":      "Free space where the log is.",
	"cluster_waiting_proposals":    "Proposals without an outcome.",
	"cluster_elections_won_total":  "Times this node began to lead.",
	"cluster_log_append_seconds":   "Time spent appending to the log.",
	"cluster_log_append_bytes":     "Octets appended to the log.",
	"store_apply_seconds":          "Time spent in transactions of the state file.",
	"store_apply_entries":          "Log entries applied.",
	"store_file_bytes":             "Size of the state file.",
	"cluster_snapshots_sent_total": "Snapshots begun to be sent.",
}

func newFigures(c *cluster.Node, st *store.Store) *figures {
	f := &figures{cluster: c, store: st, descs: make(map[string]*prometheus.Desc, len(figureHelp))}
	for name, help := range figureHelp {
		f.descs[name] = prometheus.NewDesc("smppbridge_"+name, help, nil, nil)
	}
	f.descs["cluster_proposals_total"] = prometheus.NewDesc("smppbridge_cluster_proposals_total",
		"Proposals by result: proposed, refused (surely not proposed), unknown.", []string{"result"}, nil)
	return f
}

// Describe implements prometheus.Collector.
func (f *figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range f.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *figures) Collect(ch chan<- prometheus.Metric) {
	c := f.cluster.Figures()
	send := func(kind prometheus.ValueType, name string, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(f.descs[name], kind, v, labels...)
	}
	gauge := func(name string, v float64) { send(prometheus.GaugeValue, name, v) }
	leader := 0.0
	if f.cluster.IsLeader() {
		leader = 1
	}
	gauge("cluster_leader", leader)
	gauge("cluster_term", float64(c.Term))
	gauge("cluster_last_index", float64(c.LastIndex))
	gauge("cluster_commit_index", float64(c.CommitIndex))
	gauge("cluster_applied_index", float64(c.Applied))
	gauge("cluster_log_bytes", float64(c.LogBytes))
	gauge("cluster_disk_free_bytes", float64(c.DiskFree))
	gauge("cluster_waiting_proposals", float64(c.Waiting))
	gauge("store_file_bytes", float64(f.store.Figures().FileSize))
	count := prometheus.CounterValue
	send(count, "cluster_elections_won_total", float64(c.Reigns))
	send(count, "cluster_snapshots_sent_total", float64(c.SnapshotsSent))
	send(count, "cluster_proposals_total", float64(c.Proposed), "proposed")
	send(count, "cluster_proposals_total", float64(c.Refused), "refused")
	send(count, "cluster_proposals_total", float64(c.Unknown), "unknown")
	ch <- prometheus.MustNewConstSummary(f.descs["cluster_log_append_seconds"], c.Appends, c.AppendTime.Seconds(), nil)
	ch <- prometheus.MustNewConstSummary(f.descs["cluster_log_append_bytes"], c.Appends, float64(c.AppendedBytes), nil)
	ch <- prometheus.MustNewConstSummary(f.descs["store_apply_seconds"], c.Batches, c.ApplyTime.Seconds(), nil)
	ch <- prometheus.MustNewConstSummary(f.descs["store_apply_entries"], c.Batches, float64(c.BatchEntries), nil)
}
