#!/usr/bin/env bash
# Starts PostgreSQL and Redis servers of its own (temporary folder, free ports, loopback only), runs the command it is given with
# STUDIO_DATABASE_URL and STUDIO_REDIS_URL naming them, and stops them again. Missing servers are installed when this runs as
# root on Debian or Ubuntu.
set -euo pipefail
cd "$(dirname "$0")/.."

find_postgres() {
    local folder
    for folder in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
        [ -x "$folder/initdb" ] && printf '%s' "$folder" && return
    done
    command -v initdb >/dev/null && dirname "$(command -v initdb)"
    return 0
}

find_redis() {
    command -v redis-server || command -v valkey-server || true
}

if { [ -z "$(find_postgres)" ] || [ -z "$(find_redis)" ]; } && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing PostgreSQL and Redis ..."
    apt-get update -qq
    # No cluster and no service: only the programs are wanted.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql redis-server >/dev/null
fi
postgres=$(find_postgres)
redis=$(find_redis)
if [ -z "$postgres" ] || [ -z "$redis" ]; then
    echo "This needs PostgreSQL and Redis servers. Debian, Ubuntu: sudo apt-get install postgresql redis-server" >&2
    exit 1
fi

folder=$(mktemp -d)
# PostgreSQL refuses to run as root.
as_user=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as_user=(runuser -u postgres --)
fi
redis_pid=""

clean_up() {
    [ -n "$redis_pid" ] && kill "$redis_pid" 2>/dev/null
    [ -f "$folder/db/postmaster.pid" ] && (cd / && ${as_user[@]+"${as_user[@]}"} "$postgres/pg_ctl" -D "$folder/db" -m immediate -w stop >/dev/null)
    rm -rf "$folder" "$folder.redis.log"
}
trap clean_up EXIT

free_port() {
    .venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

db_port=$(free_port)
redis_port=$(free_port)
(
    cd /
    ${as_user[@]+"${as_user[@]}"} "$postgres/initdb" -D "$folder/db" -U studio -A trust -E UTF8 --no-sync >"$folder/initdb.log"
    ${as_user[@]+"${as_user[@]}"} "$postgres/pg_ctl" -D "$folder/db" -w -l "$folder/postgres.log" \
        -o "-p $db_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off" start >/dev/null
) || { cat "$folder"/*.log >&2; exit 1; }
"$redis" --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" >"$folder.redis.log" 2>&1 &
redis_pid=$!

echo "PostgreSQL on port $db_port, Redis on port $redis_port."
STUDIO_DATABASE_URL="postgres://studio@127.0.0.1:$db_port/postgres" \
STUDIO_REDIS_URL="redis://127.0.0.1:$redis_port/0" \
    "$@"
