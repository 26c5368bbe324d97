#!/bin/sh
# Starts a node with examples/hello in the foreground. exec: Ctrl-C reaches the node itself, and nothing is left behind.
set -eu
cd "$(dirname "$0")/.."
exec "$1/er" dev examples/hello --port "$2"
