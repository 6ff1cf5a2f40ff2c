#!/usr/bin/env bash
# postgres.sh COMMAND…: runs the command with a PostgreSQL of its own, named by SHOPSYNCD_TEST_POSTGRES, and stops that
# server afterwards, whatever happened. Root hands the server to the user postgres, who alone may run it.
set -euo pipefail

for folder in /usr/lib/postgresql/*/bin; do PATH=$folder:$PATH; done
data=$(mktemp -d "${TMPDIR:-/tmp}/shopsyncd-postgres.XXXXXX")

as_server() {
  if [ "$(id -u)" = 0 ]; then
    (cd "$data" && setpriv --reuid=postgres --regid=postgres --init-groups env PATH="$PATH" "$@")
  else
    (cd "$data" && "$@")
  fi
}
clean_up() {
  [ ! -e "$data/db/postmaster.pid" ] || as_server pg_ctl -D "$data/db" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$data"
}
trap clean_up EXIT

[ "$(id -u)" != 0 ] || chown postgres: "$data"
as_server initdb -A trust -U postgres -E UTF8 --no-locale -D "$data/db" >"$data.log" 2>&1 ||
  { cat "$data.log" >&2; rm -f "$data.log"; echo "postgres.sh: initdb failed" >&2; exit 1; }
rm -f "$data.log"

for _ in 1 2 3 4 5; do
  port=$((20000 + RANDOM % 10000))
  # fsync stays on, as in production.
  if as_server pg_ctl -D "$data/db" -w -l "$data/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$data -c max_connections=300" start >/dev/null; then
    started=yes
    break
  fi
done
[ "${started:-}" = yes ] || { cat "$data/log" >&2; echo "postgres.sh: PostgreSQL does not start" >&2; exit 1; }

export SHOPSYNCD_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
code=0
"$@" || code=$?
exit "$code"
