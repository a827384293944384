package main

import (
	"math"

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

	"cluster_snapshots_received_total": "Snapshots that replaced this node's state.",
	"cluster_forwarded_total":          "Commands that another node was asked to propose.",
	"cluster_clock_offset_seconds":     "By how much this node's clock is ahead of the other voters'.",
	"cluster_diverged_members":         "Members whose state differed from the majority's at the last comparison; on the leader.",
	"cluster_undecided_total":          "Comparisons of states in which no majority agreed; on the leader.",
	"cluster_reaped_total":             "Times that this node, leading, removed the binds of a node that was gone.",
	"cluster_in_touch":                 "1 if this node leads, or has heard from the leader a moment ago.",
	"cluster_version":                  "Cluster version in force.",
	"cluster_version_supported":        "Highest cluster version that this node's program can apply.",
	"cluster_voters":                   "Members with a vote, as this node sees it.",
	"cluster_nonvoters":                "Members that catch up and have no vote yet, as this node sees it.",
}

// memberHelp is the closed list of metrics about members. Each node tells of all of them, itself included.
var memberHelp = map[string]string{
	"cluster_member_heard_seconds":  "Time since a member answered this node; +Inf if it never has.",
	"cluster_member_behind_entries": "Log entries that this node knows to be committed and a member had not applied when it last answered.",
}

func newFigures(c *cluster.Node, st *store.Store) *figures {
	f := &figures{cluster: c, store: st, descs: make(map[string]*prometheus.Desc, len(figureHelp))}
	for name, help := range figureHelp {
		f.descs[name] = prometheus.NewDesc("smppbridge_"+name, help, nil, nil)
	}
	for name, help := range memberHelp {
		f.descs[name] = prometheus.NewDesc("smppbridge_"+name, help, []string{"member"}, nil)
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
	gauge("cluster_leader", bit(f.cluster.IsLeader()))
	gauge("cluster_in_touch", bit(f.cluster.InTouch()))
	gauge("cluster_term", float64(c.Term))
	gauge("cluster_last_index", float64(c.LastIndex))
	gauge("cluster_commit_index", float64(c.CommitIndex))
	gauge("cluster_applied_index", float64(c.Applied))
	gauge("cluster_log_bytes", float64(c.LogBytes))
	gauge("cluster_disk_free_bytes", float64(c.DiskFree))
	gauge("cluster_waiting_proposals", float64(c.Waiting))
	gauge("cluster_clock_offset_seconds", c.ClockOffset.Seconds())
	gauge("cluster_diverged_members", float64(c.Diverged))
	gauge("cluster_version", float64(f.store.ClusterVersion()))
	gauge("cluster_version_supported", store.Version)
	gauge("store_file_bytes", float64(f.store.Figures().FileSize))
	count := prometheus.CounterValue
	send(count, "cluster_elections_won_total", float64(c.Reigns))
	send(count, "cluster_snapshots_sent_total", float64(c.SnapshotsSent))
	send(count, "cluster_snapshots_received_total", float64(c.SnapshotsReceived))
	send(count, "cluster_undecided_total", float64(c.Undecided))
	send(count, "cluster_reaped_total", float64(c.Reaped))
	send(count, "cluster_forwarded_total", float64(c.Forwarded))
	send(count, "cluster_proposals_total", float64(c.Proposed), "proposed")
	send(count, "cluster_proposals_total", float64(c.Refused), "refused")
	send(count, "cluster_proposals_total", float64(c.Unknown), "unknown")
	ch <- prometheus.MustNewConstSummary(f.descs["cluster_log_append_seconds"], c.Appends, c.AppendTime.Seconds(), nil)
	ch <- prometheus.MustNewConstSummary(f.descs["cluster_log_append_bytes"], c.Appends, float64(c.AppendedBytes), nil)
	ch <- prometheus.MustNewConstSummary(f.descs["store_apply_seconds"], c.Batches, c.ApplyTime.Seconds(), nil)
	ch <- prometheus.MustNewConstSummary(f.descs["store_apply_entries"], c.Batches, float64(c.BatchEntries), nil)
	f.collectMembers(c.CommitIndex, gauge, func(name string, v float64, member string) {
		send(prometheus.GaugeValue, name, v, member)
	})
}

// collectMembers tells of the members.
func (f *figures) collectMembers(committed uint64, gauge func(string, float64), of func(name string, v float64, member string)) {
	voters, nonvoters := 0, 0
	for _, m := range f.cluster.Members() {
		if m.Voter {
			voters++
		} else {
			nonvoters++
		}
		heard := math.Inf(1)
		if m.Heard >= 0 {
			heard = m.Heard.Seconds()
			of("cluster_member_behind_entries", float64(max(committed, m.Applied)-m.Applied), m.ID)
		}
		of("cluster_member_heard_seconds", heard, m.ID)
	}
	gauge("cluster_voters", float64(voters))
	gauge("cluster_nonvoters", float64(nonvoters))
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
