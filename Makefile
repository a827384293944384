# make demo    one node, a simulator and a third-party ESME: the main job on real input
# make test    everything that must pass
# make check   what must pass before a commit
# make cluster-test  three real nodes, and everything that can happen to them (root; see cmd/clustertest)
# make interop the ESMEs of others against a node; INTEROPFLAGS=--install installs them (Debian, root)
GO ?= go
BIN = bin
PROGRAMS = smppbridged smppctl smppload aliyunsim
# The race detector's slowest packages need minutes on two cores.
TESTFLAGS ?= -timeout 15m

.PHONY: build test race check fmt vet staticcheck imports demo run interop cluster-test bench fuzz clean

build:
	@mkdir -p $(BIN)
	$(GO) build -trimpath -o $(BIN)/ $(addprefix ./cmd/,$(PROGRAMS))

demo: build
	$(GO) run ./cmd/demo --daemon $(BIN)/smppbridged

# Kannel, npm smpp, Net::SMPP, gosmpp and go-smpp, captured and dissected by tshark.
interop: build
	$(GO) run ./cmd/interop --daemon $(BIN)/smppbridged $(INTEROPFLAGS)

# kill -9, power loss, frozen processes, partitions, loss, full disks, changes of members: CLUSTERTESTFLAGS="--rounds 2"
cluster-test: build
	$(GO) run ./cmd/clustertest --daemon $(BIN)/smppbridged --ctl $(BIN)/smppctl $(CLUSTERTESTFLAGS)

run: build
	$(BIN)/smppbridged dev

test: build vet imports
	$(GO) test $(TESTFLAGS) ./...

race:
	$(GO) test -race -shuffle=on $(TESTFLAGS) ./...

check: fmt vet staticcheck imports race

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed: $$out"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

# The packages' imports of each other are a list in git: a new arrow is a decision.
imports:
	@$(GO) list -f '{{$$p := .ImportPath}}{{range .Imports}}{{$$p}} {{.}}{{"\n"}}{{end}}' ./... \
		| grep ' smppbridge/' | sed 's/smppbridge\///g' | LC_ALL=C sort -u > $(or $(TMPDIR),/tmp)/smppbridge-imports
	@diff .ci/imports.txt $(or $(TMPDIR),/tmp)/smppbridge-imports \
		|| { echo 'imports differ from .ci/imports.txt (< listed, > found)'; exit 1; }

bench: build
	$(GO) test -run '^$$' -bench . -benchmem ./smpp ./store ./cluster ./bridge/template ./bridge/aliyun/...
	$(GO) test -count=1 -run '^TestHostile$$' -v ./cmd/smppbridged -judge | grep -E ' p99 |^(---|FAIL|ok)'
	cmd/smppload/bench.sh

# How long each fuzz target runs.
FUZZTIME ?= 30s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzzminimizetime 10x -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

clean:
	rm -rf $(BIN)
