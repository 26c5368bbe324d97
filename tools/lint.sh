#!/bin/bash
# The gates that need no running node. Each prints one line; what it complains about comes before.
# Counts go to build/lint-counts. Needs build/compile_commands.json (make build). `tools/lint.sh
# fix` wraps comments that are too wide instead.
set -u
cd "$(dirname "$0")/.." || exit 1
jobs=$(nproc)
passed=0
failed=0

gate() { # name, function
	local out started=$SECONDS
	if out=$("$2" 2>&1); then
		passed=$((passed + 1))
		echo "ok    $1 ($((SECONDS - started)) s)"
	else
		failed=$((failed + 1))
		printf '%s\n' "$out" | tail -80
		echo "FAIL  $1"
	fi
}
# Everything that is or would be in the tree; a file that is deleted but not committed yet is listed
# as well, so look.
tracked() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
# Lines of C without comments' continuation lines.
grep_code() { grep -nE "$1" "${@:2}" | grep -vE '^[^:]+:[0-9]+:\s*(\*|//|/\*)'; }

formatted() { tracked 'src/*.[ch]' 'test/*.[ch]' 'bench/*.[ch]' | xargs clang-format --dry-run -Werror; }

tidy() {
	# only what is compiled here, and not the third-party sources a package brings
	local files
	files=$(tracked 'src/*.c' | while read -r f; do grep -q "\"file\": \"$PWD/$f\"" build/compile_commands.json && echo "$f"; done)
	[ -n "$files" ] || { echo "build/compile_commands.json names no source: run make build first" && return 1; }
	# The build may be gcc's, with options that clang does not know.
	printf '%s\n' "$files" | nice xargs -P "$jobs" -n 2 timeout 900 clang-tidy --quiet -p build --extra-arg=-Wno-ignored-optimization-argument 2>/dev/null
}

# Raw string functions never; raw memory only in base/, elsewhere er_copy, or memcpy of a size the
# compiler knows.
raw_strings() { ! grep_code '(^|[^_a-zA-Z0-9])(strcpy|strcat|sprintf|vsprintf|strncpy|strncat|stpcpy|gets|strtok|alloca)\s*\(' $(tracked 'src/*.[ch]' | grep -v '^src/base/'); }
raw_memory() {
	! grep_code '(^|[^_a-zA-Z0-9])memcpy\s*\(' $(tracked 'src/*.[ch]' | grep -v '^src/base/') |
		grep -vE 'memcpy\s*\(.*,\s*(\(size_t\))?(sizeof\b[^,]*|[0-9]+|[A-Z][A-Z0-9_]+)\);'
}
# The sandbox may: there a size is the tenant's, and a failure is the routine's exception and not
# the end of the process.
raw_heap() { ! grep_code '(^|[^_a-zA-Z0-9>.])(malloc|calloc|realloc|strdup|strndup|asprintf)\s*\(' $(tracked 'src/*.[ch]' | grep -vE '^src/(base|sandbox)/'); }

# Every header says all that it needs.
headers_alone() {
	local flags bad=0
	flags="-std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function -Isrc $(pkg-config --cflags libuv libcurl libseccomp icu-uc) -I/usr/share/include/llhttp"
	flags="$flags $(pkg-config --cflags javascriptcoregtk-4.1 2>/dev/null || pkg-config --cflags javascriptcoregtk-6.0)"
	export flags
	# shellcheck disable=SC2016
	tracked 'src/*.h' | xargs -P "$jobs" -n 1 sh -c 'printf "#include \"%s\"\n" "${0#src/}" | gcc $flags -fsyntax-only -x c - || { echo "$0"; exit 1; }' || bad=1
	return $bad
}

include_graph() { node tools/include-graph.mjs; }

# Calls between the files of a room go one way; what does not is listed, and the list only shrinks.
# Needs the object files of build/.
call_graph() { node tools/call-graph.mjs; }

sizes() {
	local bad=0 n
	for f in $(tracked 'src/*.c' 'src/*.h'); do
		n=$(wc -l <"$f")
		case $f in
		*.c) [ "$n" -le 1000 ] || { echo "$f has $n lines; 1000 is the most" && bad=1; } ;;
		*.h) [ "$n" -le 320 ] || { echo "$f has $n lines; 320 is the most" && bad=1; } ;;
		esac
	done
	return $bad
}

scripts() {
	local bad=0
	for f in $(tracked '*.mjs' | grep -v '^src/sandbox/js/'); do node --check "$f" || bad=1; done
	for f in $(tracked 'tools/*.sh' .ci/run); do bash -n "$f" || bad=1; done
	return $bad
}

# The prelude looks nothing up that a routine may have changed.
prelude() { node --expose-internals tools/prelude-lint.mjs; }

# Prose in Markdown keeps 100 columns; tables, code and long links do not count.
prose() { node tools/prose-lint.mjs $(tracked '*.md'); }

# So do comments; code may be wider. `tools/lint.sh fix` wraps them, and names what is left to be
# mended by hand.
commented() { tracked '*.[ch]' '*.mjs' 'src/sandbox/js/*.js' '*.sh' '*Makefile' '*CMakeLists.txt' | grep -v '^examples/'; }
comments() { node tools/prose-lint.mjs --code $(commented); }
comment_tool() { node --test tools/comments.test.mjs; }

# The lock file carries no registry's host name, so that it works behind any mirror.
lock_file() { ! grep -nE '"resolved"|https?://[^"/]*npm' package-lock.json; }

no_machine_paths() { ! grep -rnE '(^|[^a-zA-Z0-9_.~/-])/(work|home|root)/[a-z]' $(tracked '*.c' '*.h' '*.mjs' '*.js' '*.ts' '*.md' '*.sh' '*.txt' '*.jsonc' Makefile | grep -v '^tools/lint.sh$'); }

if [ "${1-}" = fix ]; then
	node tools/prose-lint.mjs --code --fix $(commented)
	exit
fi

gate "clang-format" formatted
gate "clang-tidy" tidy
gate "no raw string functions outside base/" raw_strings
gate "no raw memory copies outside base/" raw_memory
gate "no raw heap outside base/" raw_heap
gate "every header compiles alone" headers_alone
gate "include graph" include_graph
gate "no circles of calls" call_graph
gate "files fit a head" sizes
gate "scripts parse" scripts
gate "the prelude keeps to captured built-ins" prelude
gate "prose keeps 100 columns" prose
gate "comments are wrapped without touching code" comment_tool
gate "comments keep 100 columns" comments
gate "lock file without host names" lock_file
gate "no paths of one machine" no_machine_paths

mkdir -p build
echo "$passed $failed" >build/lint-counts
[ $failed -eq 0 ]
