#!/bin/sh
# Line coverage of the unit tests and the end-to-end tests together, as a table a room. Processes
# that are killed count nothing.
set -eu
cd "$(dirname "$0")/.."
make --no-print-directory node_modules/.package-lock.json
cmake -B build-cov -G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS=--coverage -O0 -g -fprofile-update=atomic" >/dev/null
cmake --build build-cov -j "$(nproc)" >/dev/null
cmake --build build -j "$(nproc)" >/dev/null
find build-cov -name '*.gcda' -delete
(cd build-cov && ctest -j "$(nproc)" --output-on-failure) || true
ER="$PWD/build-cov/er" ER_SANDBOX="$PWD/build/er-sandbox" ER_SANITIZED=1 node --test test/e2e/*.test.mjs >build-cov/e2e.log 2>&1 || true
gcovr -r . --object-directory build-cov -f src/ --txt build-cov/coverage.txt --html-details build-cov/coverage.html
cat build-cov/coverage.txt
