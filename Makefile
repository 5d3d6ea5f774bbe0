# make deps test   install what the tests need, and run every lane
# make demo        the whole product on this machine, in network namespaces
# make help        every target

SHELL := /bin/bash
GO    ?= go
BIN   := $(CURDIR)/bin
SUDO  := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Debian and Ubuntu packages that the lanes need: nft to compare with what the
# kernel holds, gcc for the race detector.
PACKAGES := nftables gcc libc6-dev

# In CI every lane has to run. What may be missing there: the corpus of other
# projects' manifests, which is not part of this tree, and unprivileged user
# namespaces, which a machine's owner may forbid.
STRICT := $(if $(CI),-strict -may-skip corpus -may-skip 'user namespaces are not allowed')

.DEFAULT_GOAL := build

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## build sluice and sluiced into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $(BIN)/ ./cmd/sluice ./cmd/sluiced

.PHONY: cni
cni: ## build the reference CNI plugins into bin/cni
	cd tests/cni && CGO_ENABLED=0 $(GO) build -o $(BIN)/cni/ tool

.PHONY: deps
deps: ## install the Debian packages that the tests need, and fetch the modules
	@missing=; for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "packages: all there ($(PACKAGES))"; fi
	$(GO) mod download

.PHONY: demo
demo: build cni ## enforce a small shop on three nodes, probe every pair, change a policy live
	$(BIN)/sluice demo

.PHONY: test
test: build cni ## every lane that this machine can run; says what it skipped and why
	$(GO) vet ./...
	SLUICE_CNI_BIN=$(BIN)/cni SLUICE_PROPERTY_N=1000000 SLUICE_KERNEL_CONNECTIONS=20000 \
	  $(GO) run ./tests/runner $(STRICT) -- -race -shuffle=on -timeout 20m ./...

.PHONY: golden
golden: ## write the golden files anew; review the difference
	$(GO) test $$(grep -rl 'flag.Bool("update"' --include="*_test.go" . | xargs -n1 dirname | sort -u) -update
	UPDATE=1 $(GO) test ./tests/cli

.PHONY: fuzz
fuzz: ## thirty seconds for each fuzz target
	@for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for t in $$(grep -oE '^func Fuzz[A-Za-z0-9]+' $$f | sed 's/func //'); do \
	    echo "== $$f $$t"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime 30s -fuzzminimizetime 10x ./$$(dirname $$f) || exit 1; done; done

.PHONY: bench
bench: ## benchmarks; compare two runs with benchstat
	$(GO) test -run '^$$' -bench . ./compiler/... ./rego ./internal/artifact/... ./enforcer/...

.PHONY: lint
lint: ## gofmt, vet and golangci-lint
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	cd tools && $(GO) build -o $(BIN)/ tool
	$(BIN)/golangci-lint run ./...

.PHONY: check
check: lint test ## what has to pass before a change lands

.PHONY: clean
clean: ## remove what the build made
	rm -rf $(BIN)
