#!/bin/sh
# nginx with the module nchan: C, no database, no session. NCHAN_WORKERS: how many processes (one a core).
set -eu
PATH=$PATH:/usr/sbin
here=$(cd "$(dirname "$0")" && pwd)
modules=$(nginx -V 2>&1 | tr ' ' '\n' | sed -n 's|^--modules-path=||p')
# a master that is root lets its workers be somebody else
user=$([ "$(id -u)" = 0 ] && echo 'user nobody nogroup;' || true)
sed -e "s|@RUN@|$RUN|g" -e "s|@PORT@|$PORT|g" -e "s|@MODULES@|$modules|g" -e "s|@USER@|$user|g" -e "s|@FILES@|$FILES|g" \
    -e "s|@WORKERS@|${NCHAN_WORKERS:-auto}|g" "$here/nginx.conf.in" > "$RUN/nginx.conf"
exec nginx -p "$RUN" -c "$RUN/nginx.conf"
