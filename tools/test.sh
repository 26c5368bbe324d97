#!/bin/bash
# Runs suites and adds them up: tools/test.sh all | unit | gc | e2e | blast | asan | tsan | lint ...
# A failing suite does not stop the others. The last line, also kept in build/test-summary, is "N
# passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build
jobs=$(nproc)
passed=0
failed=0
started=$(date +%s)
log=build/test-log
mkdir -p $log

note() { printf '\n== %s (%s s)\n' "$1" $(($(date +%s) - started)); }
add() { # passed failed
	passed=$((passed + $1))
	failed=$((failed + $2))
	echo "-- $1 passed, $2 failed"
}

compile() { # directory, then cmake's arguments
	local dir=$1
	shift
	note "build: $dir"
	if cmake -B "$dir" "$@" >$log/cmake.log 2>&1 && nice cmake --build "$dir" -j "$jobs" >$log/build.log 2>&1; then
		return 0
	fi
	grep -E 'error|warning|CMake Error|FAILED' -A6 $log/cmake.log $log/build.log | tail -60
	echo "-- the build of $dir failed"
	failed=$((failed + 1))
	return 1
}

run_ctest() { # directory, then what ctest is to choose
	local dir=$1
	shift
	note "unit tests: $dir $*"
	(cd "$dir" && timeout 1200 ctest --output-on-failure -j "$jobs" "$@" >Testing.out 2>&1)
	local status=$?
	# shellcheck disable=SC2046
	add $(node tools/count.mjs ctest "$dir" $status)
}

# How many files at once. Most of a test waits, so two do not disturb each other; what measures time
# runs alone. A file whose test has failed may leave processes and timers behind: it is ended by
# force, and has a time.
beside=1
two=$((jobs < 2 ? jobs : 2))
run_node() { # name, then files
	local name=$1 tap
	shift
	[ $# -gt 0 ] && [ -e "$1" ] || return 0
	note "$name"
	tap=$log/${name//[ \/]/-}.tap
	local more=() option
	for option in "--test-concurrency=$beside" --test-force-exit "--test-timeout=900000"; do
		node --help | grep -q -- "${option%%=*}" && more+=("$option")
	done
	timeout 2700 node --test "${more[@]}" --test-reporter=spec --test-reporter-destination=stdout \
		--test-reporter=tap --test-reporter-destination="$tap" "$@"
	local status=$?
	# shellcheck disable=SC2046
	add $(node tools/count.mjs tap "$tap" $status)
}

tests_in() { find "$1" -maxdepth "${2:-1}" -name '*.test.mjs' | sort; }

do_release() { compile build --preset release -DER_WHOLE_PROGRAM=ON; }
do_unit() { do_release && run_ctest build; }
# The real sandbox with a collection at every few allocations: what JavaScript or C forgot to keep
# alive is gone at once.
do_gc() { JSC_slowPathAllocsBetweenGCs=5 run_ctest build -R '^unit-sandbox$'; }
do_prelude() { [ ! -d test/prelude ] || run_node "prelude tests" $(tests_in test/prelude); }
do_e2e() {
	[ -x build/er ] || return
	beside=$two run_node "end-to-end tests" $(tests_in test/e2e 1)
	run_node "attacks beside a neighbour" $(tests_in test/e2e/blast)
}
# Public suites against the build (docs/conformance.md).
do_conformance() { [ -x build/er ] && run_node "conformance" $(tests_in test/conformance); }
# What strangers send to the node itself: the end-to-end tests that every run repeats with a
# sanitized `er`. `make asan` repeats all.
hostile="api-attack bytewise cache-poison clients control-api cut-answers encodings fetch-standard fronts
gateway header-values hostile-sandbox http2-origin kv-routine logs names origin-redirects origin-tls out-of-step purge
ranges routine services short-answers sites spelling stacks websocket websocket-relay websocket-server
websocket-tls"
sanitized_tests() { # all, or nothing
	local name
	if [ "${1-}" = all ]; then
		# Packages, types and the author's own tests are JavaScript, which the sanitizer
		# does not see.
		tests_in test/e2e 1 | grep -vE '/(npm|node-modules|types|test-command|install)\.test'
		return
	fi
	for name in $hostile; do echo "test/e2e/$name.test.mjs"; done
}
do_asan() { # all, or nothing
	compile build-asan --preset debug || return
	export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
	export LSAN_OPTIONS=suppressions=$PWD/tools/lsan.supp:print_suppressions=0
	run_ctest build-asan
	# The blast suite measures time and memory, which a sanitizer changes.
	# shellcheck disable=SC2046
	ER=$PWD/build-asan/er ER_SANDBOX=$PWD/build/er-sandbox ER_SANITIZED=1 beside=$two run_node "end-to-end tests, sanitized" \
		$(sanitized_tests "${1-}")
}
do_tsan() {
	compile build-tsan -G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS=-fsanitize=thread -O1 -g" || return
	export TSAN_OPTIONS=suppressions=$PWD/tools/tsan.supp:exitcode=66
	# The engine does not start under it (it asks for addresses that the sanitizer has), and the
	# sandbox has one thread of ours anyway. The spawner's test is its own tiny sandbox: with the
	# sanitizer in it, it cannot be locked down.
	run_ctest build-tsan -E '^unit-(sandbox|spawner)$'
	ER=$PWD/build-tsan/er ER_SANDBOX=$PWD/build/er-sandbox ER_SANITIZED=1 beside=$two run_node "end-to-end tests, thread sanitizer" $(tests_in test/e2e 1)
}
do_lint() {
	note lint
	tools/lint.sh
	# shellcheck disable=SC2046
	add $(cat build/lint-counts)
}

make --no-print-directory node_modules/.package-lock.json || exit 1
case ${1:-all} in
all)
	if do_release; then
		run_ctest build
		do_gc
		do_prelude
		do_e2e
		do_conformance
		do_asan
	fi
	do_lint
	;;
unit) do_unit ;;
gc) do_release && do_gc ;;
prelude) do_prelude ;;
e2e) do_release && do_e2e ;;
conformance) do_release && do_conformance ;;
blast) do_release && ER_BLAST_ROUNDS=${ER_BLAST_ROUNDS:-100} run_node "blast radius" $(tests_in test/e2e/blast) ;;
asan) do_release && do_asan all ;;
tsan) do_release && do_tsan ;;
lint) do_release && do_lint ;;
*) echo "test.sh: no such suite: $1" >&2 && exit 2 ;;
esac

note done
echo "$passed passed, $failed failed" | tee build/test-summary
[ $failed -eq 0 ] && [ $passed -gt 0 ]
