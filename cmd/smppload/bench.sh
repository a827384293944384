#!/usr/bin/env bash
# What one node and three reach through real TCP binds, beside an echo server that keeps
# nothing: the ceiling of package smpp and of this machine; and how long a cluster is
# without a leader. `make bench` runs it after `make build`.
#
# What is compared is measured in alternation, each time by new processes on empty data
# directories, and the tables have medians: on a shared machine a single run says little.
# A run in which a session was lost, an answer did not come or a receipt is missing
# ends the script with an error, since its figure would mean nothing.
#
# Read from the environment:
#   BENCH_PARTS     what is measured (accepts latency end-to-end snapshot away failover)
#   BENCH_RUNS      runs of each measurement (3)
#   BENCH_SECONDS   length of an accept run (10)
#   BENCH_RATE      messages per second where one node's latency is measured (20000)
#   BENCH_3RATE     and that of three (10000)
#   BENCH_MESSAGES  messages of an end-to-end run (50000)
#   BENCH_STATE     messages in the state that is streamed to an emptied node (3200000:
#                   with fewer the log still has them all, and no state is sent)
#   BENCH_AWAY      for how many seconds a node is away that catches up then (60)
#   BENCH_KILLS     leaders that are killed, and leaders that are stopped (20)
#   BENCH_PORT      the ports of three nodes are in the fifty above it (28100)
#   BENCH_DIR       where data directories are made (bin/); it must be on a disk,
#                   because fsync on tmpfs costs nothing
#   BENCH_BIN       where the programs are (bin/)
#   BENCH_STOLEN    a run during which other guests of the host took more than so many percent of the
#                   processors is made again, at most 20 times (100: none is)
set -euo pipefail
cd "$(dirname "$0")/../.."

parts=${BENCH_PARTS:-accepts latency end-to-end snapshot away failover}
runs=${BENCH_RUNS:-3}
seconds=${BENCH_SECONDS:-10}
rate=${BENCH_RATE:-20000}
rate3=${BENCH_3RATE:-10000}
messages=${BENCH_MESSAGES:-50000}
state=${BENCH_STATE:-3200000}
away=${BENCH_AWAY:-60}
kills=${BENCH_KILLS:-20}
port=${BENCH_PORT:-28100}
bin=${BENCH_BIN:-$PWD/bin}
most_stolen=${BENCH_STOLEN:-100}
anew=
taken= # percent of the processors that others took during the last run
export SMPP_PASSWORD=secret # of the accounts that `smppbridged dev` has

work=$(mktemp -d "${BENCH_DIR:-$bin}/bench.XXXXXX")
pid=    # of the server that runs, if one does
pids=() # of the nodes of a cluster, by number
trap 'stop_server; stop_cluster; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

. cmd/smppload/bench_nodes.sh

fail() {
	echo "bench: $*" >&2
	for log in "$work"/*.log; do
		[ ! -s "$log" ] || tail -n 10 "$log" >&2
	done
	exit 1
}

# start_server COMMAND... runs a server in the background and sets addr when it is ready.
start_server() {
	: >"$work/server.log" # here, not in the child: the last server's "ready" must be gone
	"$@" >>"$work/server.log" 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		if grep -q '^ready$' "$work/server.log"; then
			addr=$(awk '$1 == "SMPP" { print $2 }' "$work/server.log")
			return
		fi
		kill -0 "$pid" 2>/dev/null || fail "$1 ended before it was ready"
		sleep 0.1
	done
	fail "$1 is not ready after 30 s"
}

# stop_server ends it by its pid: asked first, then killed.
stop_server() {
	[ -n "$pid" ] || return 0
	kill "$pid" 2>/dev/null || true
	for _ in $(seq 300); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	pid=
}

start_echo() { start_server "$bin/smppload" echo --listen 127.0.0.1:0; }

# start_node [FLAG...] starts a node that knows nothing yet.
start_node() {
	rm -rf "$work/data"
	mkdir "$work/data"
	start_server "$bin/smppbridged" dev --smpp 127.0.0.1:0 --http 127.0.0.1:0 --data "$work/data" "$@"
}

# load NAME FLAG... does one run and adds its figures to those of NAME. With $anew set, a run that is made again is made
# with a new node: the last one has not forgotten what its phones were sent in this minute.
load() {
	local name=$1 before
	shift
	for _ in $(seq 20); do
		before=$(stolen)
		"$bin/smppload" --addr "$addr" --binds 9 --window 200 --json "$@" >"$work/run.json" || fail "$name: run failed"
		taken=$(taken_since $before)
		[ "$taken" -gt "$most_stolen" ] || break
		echo "  $name: again, others took $taken% of the processors" >&2
		if [ -n "$anew" ]; then
			stop_server
			start_node
		fi
	done
	note "$name"
}

# stolen prints the ticks in which the processors worked for other guests of the host, and all ticks.
stolen() { awk '/^cpu / { for (i = 2; i <= 9; i++) all += $i; print $9, all }' /proc/stat; }

# taken_since STOLEN ALL prints for how many percent of the time others had the processors since then.
taken_since() { stolen | awk -v s="$1" -v a="$2" '{ all = $2 - a; printf "%.0f\n", (all > 0 ? 100 * ($1 - s) / all : 0) }'; }

# note NAME adds the figures of the run that has ended to those of NAME.
note() {
	local name=$1 field
	for field in ok_per_second p50_ms p99_ms p999_ms late_p99_ms longest_gap_ms receipt_p50_ms receipt_p99_ms \
		completed_per_second cpu_us_per_message; do
		sed -n "s/^ *\"$field\": \([0-9.e+-]*\),*\$/\1/p" "$work/run.json" >>"$work/$name.$field"
	done
	[ "$(median "$name" ok_per_second)" != 0 ] || fail "$name: nothing was accepted"
	printf '  %s: %.0f accepted/s, p99 %s ms, longest gap %s ms' "$name" "$(last "$name" ok_per_second)" "$(last "$name" p99_ms)" \
		"$(last "$name" longest_gap_ms)" >&2
	if [ -s "$work/$name.completed_per_second" ]; then
		printf ', %.0f receipts/s' "$(last "$name" completed_per_second)" >&2
	fi
	[ -z "$taken" ] || printf ', others took %s%%' "$taken" >&2
	taken=
	echo >&2
}

# last NAME FIELD prints what the last run had.
last() { tail -n 1 "$work/$1.$2"; }

# median NAME FIELD prints the middle of the runs, of an even number the lower one.
median() { sort -g "$work/$1.$2" | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'; }

# spread NAME FIELD prints the lowest and the highest.
spread() { sort -g "$work/$1.$2" | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.0f-%.0f", low, high }'; }

# row TEXT NAME FIELD prints a line of the table of rates, if NAME was measured.
row() {
	[ -e "$work/$2.$3" ] || return 0
	local echo=0
	[ ! -e "$work/echo.ok_per_second" ] || echo=$(median echo ok_per_second)
	awk -v text="$1" -v value="$(median "$2" "$3")" -v spread="$(spread "$2" "$3")" -v echo="$echo" \
		-v cpu="$(median "$2" cpu_us_per_message)" \
		'BEGIN { printf "| %-44s | %10.0f | %17s | %7s | %7.2f |\n", text, value, spread, (echo ? sprintf("%.1f%%", 100 * value / echo) : "-"), cpu }'
}

# latency TEXT NAME P50 P99 [P999 LATE] prints a line of the table of latencies.
latency() {
	[ -e "$work/$2.$3" ] || return 0
	local field values=()
	for field in "${@:3}"; do
		values+=("$(median "$2" "$field")")
	done
	printf '| %-44s | %9s | %9s | %9s | %9s |\n' "$1" "${values[@]}" $([ $# -ge 6 ] || echo - -)
}

# gap TEXT NAME prints a line of the table of interruptions.
gap() {
	[ -e "$work/$2.longest_gap_ms" ] || return 0
	awk -v text="$1" -v n="$(wc -l <"$work/$2.longest_gap_ms")" -v value="$(median "$2" longest_gap_ms)" -v spread="$(spread "$2" longest_gap_ms)" \
		'BEGIN { printf "| %-44s | %5d | %8.0f | %14s |\n", text, n, value, spread }'
}

# wanted PART tells whether it is to be measured.
wanted() { [[ " $parts " == *" $1 "* ]]; }

accepts() {
	echo "accepts: $runs runs of $seconds s each" >&2
	for _ in $(seq "$runs"); do
		start_echo
		load echo --duration "${seconds}s"
		stop_server
		start_node --paused
		load durable --duration "${seconds}s"
		stop_server
		start_cluster
		load three --duration "${seconds}s"
		stop_cluster
	done
}

latencies() {
	echo "latency at $rate/s, of three nodes at $rate3/s: $runs runs of $seconds s each" >&2
	for _ in $(seq "$runs"); do
		start_echo
		load echo-at-rate --rate "$rate" --duration "${seconds}s"
		stop_server
		start_node --paused
		load durable-at-rate --rate "$rate" --duration "${seconds}s"
		stop_server
		start_cluster
		load three-at-rate --rate "$rate3" --duration "${seconds}s"
		stop_cluster
	done
}

# sdk_alone measures what the SDK does against the same simulator without a node: calls, with
# their reports. Nothing that uses it can be quicker.
sdk_alone() {
	"$work/aliyun.test" -test.run '^$' -test.bench SDKAndSimulator -test.benchtime 5s |
		sed -n 's/.* \([0-9.e+-]*\) calls\/s.*/\1/p' >>"$work/sdk.ok_per_second"
	printf '  sdk: %.0f calls/s\n' "$(last sdk ok_per_second)" >&2
}

# Texts and accounts are those of `smppbridged dev`: a notice may share its call with
# others, a one-time code has its own.
end_to_end() {
	echo "end to end: $runs runs of $messages messages each" >&2
	go test -c -o "$work/aliyun.test" ./bridge/aliyun
	anew=yes
	for _ in $(seq "$runs"); do
		sdk_alone
		start_node
		load batched --messages "$messages" --duration 0 --registered --receipts-within 10m
		stop_server
		start_node
		load single --system-id otp --ucs2 --text '您的验证码是{code}，5分钟内有效，请勿泄露。' \
			--messages "$messages" --duration 0 --registered --receipts-within 10m
		stop_server
	done
	anew=
}

case $(stat -f -c %T "$work") in
tmpfs | ramfs) fail "$work is on tmpfs: set BENCH_DIR to a directory on a disk" ;;
esac
loadavg=$(cut -d ' ' -f 1 /proc/loadavg)
streamed=-

if wanted accepts; then accepts; fi
if wanted latency; then latencies; fi
if wanted end-to-end; then end_to_end; fi
if wanted snapshot; then snapshots; fi
if wanted away; then absences; fi
if wanted failover; then failovers; fi

cat <<END

$(nproc) processors shared with the load generator, $(uname -sr), $(stat -f -c %T "$work"); load average before: $loadavg
9 binds, window 200, medians of $runs runs

| messages per second                          |     median |    lowest-highest | of echo | gen. us |
| -------------------------------------------- | ---------: | ----------------: | ------: | ------: |
END
row "echo server, nothing kept: the ceiling" echo ok_per_second
row "durable accepts, dispatcher paused" durable ok_per_second
row "durable accepts of three nodes, all here" three ok_per_second
row "  two of three submitted to" before ok_per_second
row "  while the third is away" without ok_per_second
row "  while it is back and catches up" meanwhile ok_per_second
row "end to end with receipts, batchable" batched completed_per_second
row "end to end with receipts, one call each" single completed_per_second
cat <<END

| milliseconds                                 |       p50 |       p99 |     p99.9 | gen. late |
| -------------------------------------------- | --------: | --------: | --------: | --------: |
END
latency "submit_sm_resp at $rate/s, echo" echo-at-rate p50_ms p99_ms p999_ms late_p99_ms
latency "submit_sm_resp at $rate/s, durable" durable-at-rate p50_ms p99_ms p999_ms late_p99_ms
latency "submit_sm_resp at $rate3/s, three nodes" three-at-rate p50_ms p99_ms p999_ms late_p99_ms
latency "  two of three, a state of $streamed MB" filled p50_ms p99_ms p999_ms late_p99_ms
latency "  while that is streamed to the third" streaming p50_ms p99_ms p999_ms late_p99_ms
latency "  while one that was away catches up" catching p50_ms p99_ms p999_ms late_p99_ms
latency "receipt, batchable, all submitted at once" batched receipt_p50_ms receipt_p99_ms
latency "receipt, one call each, all at once" single receipt_p50_ms receipt_p99_ms
cat <<END

| milliseconds without ESME_ROK on other nodes | times |   median | lowest-highest |
| -------------------------------------------- | ----: | -------: | -------------: |
END
gap "leader killed (kill -9)" killed
gap "leader stopped (SIGTERM)" stopped
cat <<END

gen. us: processor time of the load generator per message. gen. late: how late the
generator itself sent, 99 of 100; the latencies contain it.
END
if [ -e "$work/single.completed_per_second" ]; then
	awk -v node="$(median single completed_per_second)" -v sdk="$(median sdk ok_per_second)" -v spread="$(spread sdk ok_per_second)" \
		'BEGIN { printf "The SDK alone against the same simulator: %.0f calls/s (%s); the node, one call each: %.0f%% of it.\n", sdk, spread, 100 * node / sdk }'
fi
for file in "$work"/*.seconds; do
	[ -e "$file" ] || continue
	name=$(basename "$file" .seconds)
	echo "$name: $(median "$name" seconds) s, of $(tr '\n' ' ' <"$file")"
done
