# "work" names every package of every module in go.work.
FUZZTIME ?= 10s
SCHEDULES ?= 100000
TIMEOUT  ?= 45m
TORTURE  ?= 1h
PREFIX   ?= /usr/local

# The race detector needs cgo and a C compiler; building runtime/cgo tells.
RACE = $(shell go build -race -o /dev/null runtime/cgo 2>/dev/null && echo -race)

.NOTPARALLEL:
.PHONY: help install test packages torture check lint fips variants fuzz simulate mutants e2e pictures bench bench-all bench-held bench-check bench-hot api asvs docs vuln

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

SHARE = $(DESTDIR)$(PREFIX)/share

install: ## the tool, its man pages and completions under PREFIX (/usr/local), of DESTDIR
	@install -d "$(DESTDIR)$(PREFIX)/bin" "$(SHARE)/man/man1" "$(SHARE)/bash-completion/completions" "$(SHARE)/fish/vendor_completions.d" "$(SHARE)/zsh/site-functions"
	go build -trimpath -o "$(DESTDIR)$(PREFIX)/bin/coatcheck" ./cmd/coatcheck
	go run ./cmd/coatcheck/internal/manpages "$(SHARE)/man/man1"
	"$(DESTDIR)$(PREFIX)/bin/coatcheck" completion bash >"$(SHARE)/bash-completion/completions/coatcheck"
	"$(DESTDIR)$(PREFIX)/bin/coatcheck" completion fish >"$(SHARE)/fish/vendor_completions.d/coatcheck.fish"
	"$(DESTDIR)$(PREFIX)/bin/coatcheck" completion zsh >"$(SHARE)/zsh/site-functions/_coatcheck"

test: packages check ## install what the tests need, then everything of check

check: FUZZTIME = 20000x
check: lint fips variants fuzz simulate ## gofmt, vet, staticcheck, FIPS mode, other JSON, 32 bits, a little fuzzing, many schedules, then all tests with -race
	@[ -n "$(RACE)" ] || { echo "check: no C compiler: running WITHOUT the race detector" >&2; [ -z "$$COATCHECK_REQUIRE_ALL" ]; }
	@go test $(RACE) -timeout $(TIMEOUT) work

packages:
	@tools/packages.sh
	@[ -z "$$COATCHECK_ENGINES" ] || tools/engines.sh || echo "engines: tests of MySQL and Valkey are skipped" >&2

lint: ## gofmt, vet and staticcheck
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "lint: run gofmt -w on:" $$files >&2; exit 1; }
	go vet work
	go tool staticcheck work

# Only the tests run in FIPS mode: the go command itself may use the network.
fips: ## the packages with cryptography, every other algorithm switched off
	go test -exec 'env GODEBUG=fips140=only' ./cookie ./sealedstore ./internal/record ./internal/token
	go test -exec 'env GODEBUG=fips140=only' -run 'TestForgedRefresh|TestNoFurtherCall|Fuzz' ./dbsc
	go test -exec 'env GODEBUG=fips140=only' -run 'TestFIPS' ./bridge/django ./bridge/rails
	go test -exec 'env GODEBUG=fips140=only' -parallel 1 -run 'G8|G9|InCookie' ./promises

CORE = . ./promises ./cookie ./internal/exact ./internal/record ./internal/token ./internal/wait ./coatchecktest ./memstore ./sealedstore

variants: ## the core with the JSON encoder to come, and on 32 bits
	GOEXPERIMENT=jsonv2 go test $(CORE)
	@[ "$$(go env GOHOSTOS GOHOSTARCH | paste -sd/ -)" != linux/amd64 ] || tools/bits32.sh $(CORE)

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
	done

# Without the race detector, which takes most of the time and which the tests of
# check have.
simulate: ## SCHEDULES (100000) small worlds, each from a seed, in which no promise may break
	go test ./internal/simulation -count=1 -timeout $(TIMEOUT) -schedules $(SCHEDULES)

mutants: ## the library without each defence in turn: its test must fail; an hour
	go test ./internal/mutants -run '^TestMutants' -kill -v -timeout 4h

torture: packages ## processes, servers, networks and clocks fail for TORTURE (1h), all that clients see is checked; SEED=n again
	TORTURE=$(TORTURE) go test ./integration/histories -run '^TestTorture$$' -v -count=1 -timeout 0

e2e: packages ## the library in Chromium, Firefox and WebKitGTK; pictures of its page go to e2e/screenshots
	go test $(RACE) -timeout $(TIMEOUT) ./e2e/...

# They look best with the Debian packages fonts-inter and fonts-jetbrains-mono.
pictures: packages ## take the pictures of docs/pictures anew
	go test -run '^TestPictures' ./e2e -update

HELD ?= 10000000

# All measure in benchmarks/; the first three write docs/performance.md.
bench: ## measure ours and the other libraries, in minutes
	cd benchmarks && go run ./cmd/measure -mode short

bench-all: packages ## the same for longer, 25 minutes on two idle cores, with 10 million sessions in memory where that has 16 GB; records what bench-check compares
	cd benchmarks && go run ./cmd/measure -mode full

bench-held: packages ## HELD (10 million) sessions in each store, added to the last results; takes long
	cd benchmarks && go run ./cmd/measure -mode held -held $(HELD)

bench-check: ## fail if allocations, bytes, or times against the floor, became worse than recorded
	cd benchmarks && go run ./cmd/measure -mode check

bench-hot: packages ## many clients in one session, side by side with the commit BASE
	tools/bench-hot.sh $(BASE)

api: ## write the exported names into api.txt
	go test ./internal/repotest -run '^TestAPI$$' -update

asvs: ## write docs/asvs.md
	go test ./internal/repotest -run '^TestASVS$$' -update

docs: packages ## the documentation site, from docs/ into site/
	tools/docs.sh site

vuln: ## known vulnerabilities in what we call; needs the network
	go tool govulncheck work
