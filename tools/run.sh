#!/bin/sh
# Starts a node with examples/hello in the foreground, for `make run`: tools/run.sh BUILD PORT
# [MAKE'S PID]. Nothing is left behind, whichever process the signal goes to. A terminal sends
# Ctrl-C to all of them: the node ends by itself then. make passes TERM on to this script. INT, HUP
# and QUIT that only make gets it does not pass on: it lets go of the signal and waits for this
# script, so its caught signals are looked at.
set -eu
cd "$(dirname "$0")/.."
make=${3:-}
[ -n "$make" ] || exec "$1/er" dev examples/hello --port "$2"

# The signals among HUP, INT and QUIT that make catches; nothing if make is gone.
caught() {
	while read -r key value; do
		if [ "$key" = SigCgt: ]; then echo $((0x$value & 7)); fi
	done 2>/dev/null <"/proc/$make/status"
}

told=
before=$(caught || :)
trap 'told=1' INT HUP QUIT
"$1/er" dev examples/hello --port "$2" <&0 &
er=$!
trap 'told=1; kill -TERM $er 2>/dev/null || :' TERM
while [ -d "/proc/$er" ] && ! grep -q '^State:	Z' "/proc/$er/status" 2>/dev/null; do
	if [ -z "$told" ] && [ "$(caught || :)" != "$before" ]; then
		told=1
		kill -INT "$er" 2>/dev/null || :
	fi
	sleep 0.2 >/dev/null 2>&1 &
	wait $! || :
done
status=0
wait "$er" || status=$?
wait
exit "$status"
