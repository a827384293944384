# The part of bench.sh about several nodes; it is sourced.
#
# The nodes are `smppbridged dev --node N`, each with its own folder, and their dispatchers
# are paused: what is measured is how a message is accepted. They share the processors and
# the disk, and each of them syncs its own log and its own state.

smpp_of() { echo "127.0.0.1:$((port + $1))"; }
http_of() { echo "127.0.0.1:$((port + 10 + $1))"; }
cluster_of() { echo "127.0.0.1:$((port + 20 + $1))"; }

# ctl N COMMAND... asks node N.
ctl() { "$bin/smppctl" cluster "${@:2}" --http "$(http_of "$1")"; }

# within SECONDS COMMAND... repeats it until it succeeds, or tells that it did not.
within() {
	local until=$((SECONDS + $1))
	until "${@:2}"; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

# await SECONDS COMMAND... is within, for what must succeed.
await() { within "$@" || fail "not within $1 s: ${*:2}"; }

start_member() {
	: >"$work/n$1.log"
	"$bin/smppbridged" dev --node "$1" --data "$work/nodes" --smpp "$(smpp_of "$1")" --http "$(http_of "$1")" \
		--cluster "$(cluster_of "$1")" --callback "127.0.0.1:$((port + 30 + $1))" --sim "127.0.0.1:$((port + 40))" \
		--paused >>"$work/n$1.log" 2>&1 &
	pids[$1]=$!
}

# end_member N SIGNAL ends it and waits for that.
end_member() {
	kill "-$2" "${pids[$1]}" 2>/dev/null || true
	wait "${pids[$1]}" 2>/dev/null || true
	unset "pids[$1]"
}

# ready N tells whether node N said so; it fails for good when the node has ended.
ready() {
	kill -0 "${pids[$1]}" 2>/dev/null || fail "node $1 ended before it was ready"
	grep -q "^ready\$" "$work/n$1.log"
}
joined() { ctl "$2" join "n$1" "$(cluster_of "$1")" >"$work/join.txt" 2>&1; }

# start_cluster starts three nodes that know nothing yet, and sets addr to all of them.
start_cluster() {
	local n
	rm -rf "$work/nodes"
	mkdir "$work/nodes"
	for n in 1 2 3; do
		start_member "$n"
	done
	await 30 ready 1
	for n in 2 3; do
		await 30 joined "$n" 1
		await 30 ready "$n"
	done
	addr=$(smpp_of 1),$(smpp_of 2),$(smpp_of 3)
}

# stop_cluster kills what is left of it: the data are not used again.
stop_cluster() {
	local n
	for n in "${!pids[@]}"; do
		end_member "$n" KILL
	done
}

# leader sets leader to the number of the node that leads.
leader() {
	local n
	for n in "${!pids[@]}"; do
		leader=$(ctl "$n" status 2>/dev/null | sed -n 's/.* leader n\([0-9]\),.*/\1/p')
		if [ -n "$leader" ] && [ -n "${pids[$leader]:-}" ]; then
			return 0
		fi
	done
	return 1
}

# level N tells whether node N is ready and no more than a few entries behind.
level() {
	curl -fs -o "$work/ready.txt" "http://$(http_of "$1")/readyz" && leader &&
		ctl "$leader" status | awk -v n="n$1" '$1 == n && $5 <= 200 { ok = 1 } END { exit !ok }'
}

# others N sets addr to the nodes but N.
others() {
	local n list=()
	for n in 1 2 3; do
		[ "$n" = "$1" ] || list+=("$(smpp_of "$n")")
	done
	addr=$(IFS=,; echo "${list[*]}")
}

# begin_load FLAG... has a run go on in the background until end_load NAME.
begin_load() {
	"$bin/smppload" --addr "$addr" --binds 8 --window 200 --json "$@" >"$work/run.json" &
	loading=$!
}

# end_load NAME waits for the run to end, and adds its figures to those of NAME.
end_load() {
	wait "$loading" || fail "$1: run failed"
	note "$1"
}

# interrupt_load NAME ends the run now.
interrupt_load() {
	kill -INT "$loading"
	end_load "$1"
}

# lead_by N has node N lead.
lead_by() {
	leader && [ "$leader" = "$1" ] && return 0
	ctl "$1" transfer "n$1" >"$work/transfer.txt" 2>&1 || return 1
	leader && [ "$leader" = "$1" ]
}

# since BEGIN NAME notes the seconds from then.
since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f\n", b - a }' >>"$work/$2.seconds"; }

# sent_by N prints how many snapshots node N has sent.
sent_by() { curl -fs "http://$(http_of "$1")/metrics" | awk '$1 == "smppbridge_cluster_snapshots_sent_total" { print $2 }'; }

# snapshots measures accepting while a node that has nothing is sent a large state.
snapshots() {
	local begin sent
	echo "snapshot: a state of $state messages, $runs times" >&2
	start_cluster
	load fill --messages "$state" --duration 0
	await 30 lead_by 1
	for _ in $(seq "$runs"); do
		await 120 level 3
		others 3
		load filled --binds 8 --rate "$rate3" --duration "${seconds}s"
		ctl 1 remove n3 >&2
		end_member 3 KILL
		rm -rf "$work/nodes/n3"
		start_member 3
		await 30 grep -q 'waits to be joined' "$work/n3.log"
		sent=$(sent_by 1)
		begin_load --rate "$rate3" --duration 0
		begin=$(date +%s.%N)
		await 30 joined 3 1
		since "$begin" emptied-node-has-its-vote
		interrupt_load streaming
		[ "$(sent_by 1)" -gt "$sent" ] || fail "the log had all entries: no state was sent"
	done
	streamed=$(($(stat -c %s "$work/nodes/n1/state.db") / 1000000))
	stop_cluster
}

# absences measures accepting as fast as goes with three nodes, with two, and while the
# third catches up; and at a rate.
absences() {
	local begin
	echo "away: a node is killed for $away s at $rate3/s, $runs times" >&2
	start_cluster
	await 30 lead_by 1
	others 3
	for _ in $(seq "$runs"); do
		load before --binds 8 --duration "${seconds}s"
		await 60 level 3
		absence
		begin_load --rate "$rate3" --duration 0
		begin=$(date +%s.%N)
		start_member 3
		await 600 level 3
		since "$begin" back-at-the-rate
		interrupt_load catching
		absence
		load without --binds 8 --duration "${seconds}s"
		begin_load --duration 0
		begin=$(date +%s.%N)
		start_member 3
		within "$away" level 3 || echo "  still behind after $away s of full load" >&2
		since "$begin" back-at-full-load
		interrupt_load meanwhile
		await 600 level 3
	done
	stop_cluster
}

absence() {
	end_member 3 KILL
	begin_load --rate "$rate3" --duration "${away}s"
	end_load away
}

# failovers measures for how long nothing is accepted when the leader goes, at the other
# nodes: their ESMEs are to see no error.
failovers() {
	local signal name failed n
	start_cluster
	for signal in KILL TERM; do
		name=$([ $signal = KILL ] && echo killed || echo stopped)
		echo "failover: $kills leaders $name, at 200/s" >&2
		for _ in $(seq "$kills"); do
			await 30 leader
			others "$leader"
			begin_load --binds 4 --rate 200 --duration 6s
			sleep 2
			failed=$leader
			end_member "$failed" "$signal"
			end_load "$name"
			grep -q "\"ok\": $(sed -n 's/^ *"submitted": \([0-9]*\),*$/\1/p' "$work/run.json"),\$" "$work/run.json" ||
				fail "$name: an ESME of another node saw an error"
			start_member "$failed"
			for n in 1 2 3; do
				await 60 level "$n"
			done
		done
	done
	stop_cluster
}
