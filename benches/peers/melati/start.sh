#!/bin/sh
# Melati with its real session check and its real feed; bench.mjs has made the database from seed.sql, and names it in DATABASE_URL.
# The limits of its own on streams are out of the way: what is left is that of the process on open files.
set -eu
ulimit -n "$FILES"
exec "$MELATI_BIN" serve --listen "127.0.0.1:$PORT" --metrics-listen '' --max-streams 1000000 --max-streams-per-user 1000000
