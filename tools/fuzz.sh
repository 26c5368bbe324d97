#!/bin/sh
# Builds the libFuzzer targets and runs each for the given number of seconds. New inputs go to
# build-fuzz/corpus; the seeds in test/fuzz/corpus stay.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
make --no-print-directory node_modules/.package-lock.json
cmake --preset fuzz >/dev/null
names=$(for f in test/fuzz/fuzz_*.c; do [ -e "$f" ] && basename "$f" .c; done)
# shellcheck disable=SC2086
cmake --build build-fuzz -j "$(nproc)" --target $names
for name in $names; do
	mkdir -p "build-fuzz/corpus/$name" "test/fuzz/corpus/${name#fuzz_}"
	echo "== $name, $seconds s"
	(cd build-fuzz && "test/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		"corpus/$name" "../test/fuzz/corpus/${name#fuzz_}" 2>&1 | grep -E 'ERROR|SUMMARY|Test unit|stat::number_of_executed|stat::average|DONE|runtime error' || true
	! ls crash-* leak-* timeout-* oom-* 2>/dev/null)
done
