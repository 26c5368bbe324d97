# The front door. Everything a person or a script types is here; the work is done by CMake (C), npm
# (bundler and streams polyfill) and tools/.
#
#   make run     what a fresh Debian needs, build, a node with examples/hello on
#                http://127.0.0.1:8787
#   make test    the whole suite on a fresh machine; the last line says "N passed, N failed"
#   make build   leaves build/er and build/er-sandbox
#   make install PREFIX=/usr/local   everything that er needs, so that the source tree may go

BUILD ?= build
PORT ?= 8787
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: all run build test unit gc e2e conformance blast soak asan tsan fuzz lint format bench cov install deps clean

all: build

# A script and not a recipe, because make itself answers Ctrl-C with an error message of its own.
run: build
	@exec tools/run.sh $(BUILD) $(PORT) $$PPID

build: node_modules/.package-lock.json
	@cmake --preset release -DER_WHOLE_PROGRAM=ON -B $(BUILD) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	cmake --build $(BUILD) -j $(JOBS)

deps:
	@tools/deps.sh build

node_modules/.package-lock.json: package.json package-lock.json | deps
	npm ci --no-audit --no-fund
	@touch $@

test:
	@tools/deps.sh build test
	@tools/test.sh all

unit gc e2e conformance blast lint:
	@tools/deps.sh build test
	@tools/test.sh $@

# What takes too long for the suite: SOAK_ROUNDS kills of a node that fills its cache file, and as
# many of one that purges meanwhile; SOAK_FAULTS rounds of all that an origin can do wrong; and
# SOAK_REQUESTS requests of each kind, with memory that does not grow.
soak: build
	@tools/deps.sh build test
	@node test/soak/cache-kill.mjs $(or $(SOAK_ROUNDS),1000)
	@ER_FAULTS_ROUNDS=$(or $(SOAK_FAULTS),200) node --test --test-concurrency=1 test/e2e/faults.test.mjs
	@node test/soak/memory.mjs --requests $(or $(SOAK_REQUESTS),100000)

# AddressSanitizer and UndefinedBehaviorSanitizer: the unit tests, and the end-to-end tests with a
# sanitized `er`. The sandbox stays the release one: its memory limit is exact, and a sanitizer's
# shadow memory does not fit into it.
asan:
	@tools/deps.sh build test
	@tools/test.sh asan

tsan:
	@tools/deps.sh build test
	@tools/test.sh tsan

# Each fuzz target for FUZZ_SECONDS.
fuzz:
	@tools/deps.sh build test
	@tools/fuzz.sh $(or $(FUZZ_SECONDS),20)

format:
	@git ls-files -co --exclude-standard 'src/*.[ch]' 'test/*.[ch]' 'bench/*.[ch]' | xargs clang-format -i

bench: build
	@tools/deps.sh bench
	@node bench/run.mjs $(BENCH)

cov:
	@tools/deps.sh build test cov
	@tools/cov.sh

# PREFIX is where er will run from; DESTDIR is put before it while a package is made. Others run it,
# whatever the umask of the person who installs it.
install: build
	@umask 022 && DESTDIR='$(DESTDIR)' cmake --install $(BUILD) --prefix '$(PREFIX)'

clean:
	rm -rf build build-asan build-tsan build-fuzz build-cov
