#!/usr/bin/env bash
# What a node reaches through real TCP binds, beside an echo server that keeps nothing:
# the ceiling of package smpp and of this machine. `make bench` runs it after `make build`.
#
# The two are measured in alternation, each time by a new process on an empty data
# directory, and the table has medians: on a shared machine a single run says little.
# A run in which a session was lost, an answer did not come or a receipt is missing
# ends the script with an error, since its figure would mean nothing.
#
# Read from the environment:
#   BENCH_RUNS      runs of each measurement (3)
#   BENCH_SECONDS   length of an accept run (10)
#   BENCH_RATE      messages per second where latency is measured (20000)
#   BENCH_MESSAGES  messages of an end-to-end run (50000)
#   BENCH_DIR       where data directories are made (bin/); it must be on a disk,
#                   because fsync on tmpfs costs nothing
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${BENCH_RUNS:-3}
seconds=${BENCH_SECONDS:-10}
rate=${BENCH_RATE:-20000}
messages=${BENCH_MESSAGES:-50000}
bin=$PWD/bin
export SMPP_PASSWORD=secret # of the accounts that `smppbridged dev` has

work=$(mktemp -d "${BENCH_DIR:-$bin}/bench.XXXXXX")
pid= # of the server that runs, if one does
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
	echo "bench: $*" >&2
	if [ -s "$work/server.log" ]; then
		tail -n 20 "$work/server.log" >&2
	fi
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

# load NAME FLAG... does one run and adds its figures to those of NAME.
load() {
	local name=$1 out=$work/run.json field
	shift
	"$bin/smppload" --addr "$addr" --binds 8 --window 200 --json "$@" >"$out" || fail "$name: run failed"
	for field in ok_per_second p50_ms p99_ms p999_ms late_p99_ms receipt_p50_ms receipt_p99_ms completed_per_second cpu_us_per_message; do
		sed -n "s/^ *\"$field\": \([0-9.e+-]*\),*\$/\1/p" "$out" >>"$work/$name.$field"
	done
	[ "$(median "$name" ok_per_second)" != 0 ] || fail "$name: nothing was accepted"
	printf '  %s: %.0f accepted/s, p99 %s ms' "$name" "$(last "$name" ok_per_second)" "$(last "$name" p99_ms)" >&2
	if [ -s "$work/$name.completed_per_second" ]; then
		printf ', %.0f receipts/s' "$(last "$name" completed_per_second)" >&2
	fi
	echo >&2
}

# last NAME FIELD prints what the last run had.
last() { tail -n 1 "$work/$1.$2"; }

# median NAME FIELD prints the middle of the runs, of an even number the lower one.
median() { sort -g "$work/$1.$2" | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'; }

# spread NAME FIELD prints the lowest and the highest.
spread() { sort -g "$work/$1.$2" | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.0f-%.0f", low, high }'; }

# row TEXT NAME FIELD prints a line of the table of rates.
row() {
	awk -v text="$1" -v value="$(median "$2" "$3")" -v spread="$(spread "$2" "$3")" -v echo="$(median echo ok_per_second)" \
		-v cpu="$(median "$2" cpu_us_per_message)" \
		'BEGIN { printf "| %-44s | %10.0f | %17s | %6.1f%% | %7.2f |\n", text, value, spread, 100 * value / echo, cpu }'
}

# latency TEXT NAME P50 P99 [P999 LATE] prints a line of the table of latencies.
latency() {
	local field values=()
	for field in "${@:3}"; do
		values+=("$(median "$2" "$field")")
	done
	printf '| %-44s | %9s | %9s | %9s | %9s |\n' "$1" "${values[@]}" $([ $# -ge 6 ] || echo - -)
}

case $(stat -f -c %T "$work") in
tmpfs | ramfs) fail "$work is on tmpfs: set BENCH_DIR to a directory on a disk" ;;
esac
loadavg=$(cut -d ' ' -f 1 /proc/loadavg)

echo "accepts: $runs runs of $seconds s each" >&2
for _ in $(seq "$runs"); do
	start_echo
	load echo --duration "${seconds}s"
	stop_server
	start_node --paused
	load durable --duration "${seconds}s"
	stop_server
done

echo "latency at $rate/s: $runs runs of $seconds s each" >&2
for _ in $(seq "$runs"); do
	start_echo
	load echo-at-rate --rate "$rate" --duration "${seconds}s"
	stop_server
	start_node --paused
	load durable-at-rate --rate "$rate" --duration "${seconds}s"
	stop_server
done

# Texts and accounts are those of `smppbridged dev`: a notice may share its call with
# others, a one-time code has its own.
echo "end to end: $runs runs of $messages messages each" >&2
for _ in $(seq "$runs"); do
	start_node
	load batched --messages "$messages" --duration 0 --registered --receipts-within 10m
	stop_server
	start_node
	load single --system-id otp --ucs2 --text '您的验证码是{code}，5分钟内有效，请勿泄露。' \
		--messages "$messages" --duration 0 --registered --receipts-within 10m
	stop_server
done

cat <<END

$(nproc) processors shared with the load generator, $(uname -sr), $(stat -f -c %T "$work"); load average before: $loadavg
8 binds, window 200, medians of $runs runs

| messages per second                          |     median |    lowest-highest | of echo | gen. us |
| -------------------------------------------- | ---------: | ----------------: | ------: | ------: |
END
row "echo server, nothing kept: the ceiling" echo ok_per_second
row "durable accepts, dispatcher paused" durable ok_per_second
row "end to end with receipts, batchable" batched completed_per_second
row "end to end with receipts, one call each" single completed_per_second
cat <<END

| milliseconds                                 |       p50 |       p99 |     p99.9 | gen. late |
| -------------------------------------------- | --------: | --------: | --------: | --------: |
END
latency "submit_sm_resp at $rate/s, echo" echo-at-rate p50_ms p99_ms p999_ms late_p99_ms
latency "submit_sm_resp at $rate/s, durable" durable-at-rate p50_ms p99_ms p999_ms late_p99_ms
latency "receipt, batchable, all submitted at once" batched receipt_p50_ms receipt_p99_ms
latency "receipt, one call each, all at once" single receipt_p50_ms receipt_p99_ms
cat <<END

gen. us: processor time of the load generator per message. gen. late: how late the
generator itself sent, 99 of 100; the latencies contain it.
END
