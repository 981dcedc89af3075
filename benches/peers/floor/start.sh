#!/bin/sh
# The least that a server can do: one thread, one epoll, no database (../../load/src/bin/sse-floor.rs).
set -eu
exec "$LOAD_BIN/sse-floor" serve "$PORT"
