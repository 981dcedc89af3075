# Needs Rust (rustup), Node 20 or newer, and GNU make; everything else comes from Cargo and npm.
#
#   make demo    build, and run the made-up chain (more flags: make demo ARGS='--listen 127.0.0.1:9000')
#   make build   leaves target/release/melati, with the pages' assets inside
#   make test    everything that must be true
#   make soak    the same promises, attacked for MELATI_SOAK_SECONDS (600)
#   make bench   what it costs, beside nchan and the least that a server can do (RUNS=1 SCENARIOS=fanout-1k for a quick look)
#   make audit   what is known by now of holes in our dependencies (asks the network)

CARGO ?= cargo
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || true)
export CHROMIUM

INSTALLED := node_modules/.installed
BUNDLE    := static/dist/app.js
SOURCES   := $(shell find static -path static/dist -prune -o -type f -print)

.PHONY: build demo test soak bench fmt screenshots chromium nginx audit

build: $(BUNDLE)
	$(CARGO) build --locked --release

demo: $(BUNDLE)
	$(CARGO) run --locked --release -- demo $(ARGS)

# Browser tests run target/debug/melati, the very binary that cargo's tests have just used.
test: $(BUNDLE) chromium nginx
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked
	node --test --test-concurrency=2 --test-timeout=900000 tests/browser/*.test.mjs

# Every round has a fresh seed, printed first: MELATI_SEED=… repeats it. What was injected and what was checked is printed.
# The faults are waits, for the most part: two at a time, so that the deadlines in them are about Melati and not this machine.
MELATI_SOAK_SECONDS ?= 600
SOAK_ROUND_SECONDS  ?= 60
soak: $(BUNDLE)
	$(CARGO) build --locked
	$(CARGO) test --locked --no-run --test nothing_lost --test faults
	@end=$$(( $$(date +%s) + $(MELATI_SOAK_SECONDS) )); round=0; \
	while [ $$(date +%s) -lt $$end ]; do \
		round=$$((round + 1)); echo "== round $$round, $$((end - $$(date +%s))) s left"; \
		MELATI_SOAK_SECONDS=$(SOAK_ROUND_SECONDS) $(CARGO) test --quiet --locked --test nothing_lost -- --nocapture --test-threads 1 || exit 1; \
		MELATI_SOAK_SECONDS=$(SOAK_ROUND_SECONDS) $(CARGO) test --quiet --locked --test faults -- --nocapture --test-threads 2 || exit 1; \
	done; echo "== $$round rounds, nothing lost"

# An hour, with all scenarios three times. benches/README.md
bench: build
	$(CARGO) build --locked --release --manifest-path benches/load/Cargo.toml
	node benches/bench.mjs

fmt:
	$(CARGO) fmt

# Not a part of `make test`: what is known changes without us, and is asked from the network.
audit:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check
	npm audit --omit=dev

screenshots: $(BUNDLE) chromium
	$(CARGO) build --locked
	node tests/browser/screenshots.mjs

# npm ci empties node_modules, the stamp with it, and takes seconds: only when what it installs has changed.
$(INSTALLED): package.json package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo 'Melati needs Node 20 or newer' >&2; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@

$(BUNDLE): $(INSTALLED) $(SOURCES)
	node static/build.mjs
	@touch $@

# A browser is the one thing that the registries do not bring. Two apt at once wait for each other.
chromium:
	@if [ -n "$$CHROMIUM" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -o DPkg::Lock::Timeout=900 update && \
		DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=900 install -y --no-install-recommends chromium; \
	else \
		echo 'The browser tests need Chromium: install it, or set CHROMIUM to its program' >&2; exit 1; \
	fi

# The test of the line goes through a real one; where it cannot be had, that test says that it was skipped.
nginx:
	@if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -o DPkg::Lock::Timeout=900 update && \
		DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=900 install -y --no-install-recommends nginx-light; \
	else \
		echo 'nginx is not installed: the test of the line will be skipped' >&2; \
	fi
