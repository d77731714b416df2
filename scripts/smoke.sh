#!/usr/bin/env bash
# Starts the Studio as the README says, waits until it serves pages and its sample project trains, stops it, and does so
# again: the second start must be quick, know the owner of the first, and take the training up again. Uses a temporary data
# folder and a free port.
set -euo pipefail
cd "$(dirname "$0")/.."

sh scripts/setup.sh run
folder=$(mktemp -d)
port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export STUDIO_DATA_ROOT="$folder/data" STUDIO_PORT="$port" STUDIO_SEED_SAMPLE=true
pid=""

clean_up() {
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap clean_up EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/out.* >&2
    tail -n 30 "$folder"/data/logs/*.log >&2 || true
    exit 1
}

start() {
    make run >"$folder/out.$1" 2>&1 &
    pid=$!
    for _ in $(seq 1 "$2"); do
        if curl -fsS "http://127.0.0.1:$port/healthz" >/dev/null 2>&1 && grep -q "is ready" "$folder/out.$1"; then
            return
        fi
        kill -0 "$pid" 2>/dev/null || fail "make run ended by itself."
        sleep 0.5
    done
    fail "make run served no page in time."
}

stop() {
    local begin=$SECONDS
    kill -TERM "$pid"
    wait "$pid" || true
    pid=""
    if [ $((SECONDS - begin)) -gt 20 ]; then fail "Stopping took longer than 20 seconds."; fi
    if curl -fsS "http://127.0.0.1:$port/healthz" >/dev/null 2>&1; then fail "The web server is still there after the stop."; fi
    # `grep -c` counts lines; every part of the Studio has the data folder or the port in its environment or arguments.
    if ps -eo args | grep -v grep | grep -q "$folder"; then fail "Something still runs after the stop."; fi
}

# The sample's training is at work: all workers took what is theirs. Its attempt number is printed.
training() {
    for _ in $(seq 1 240); do
        if .venv/bin/python - "$folder/data/studio.sqlite3" "$1" <<'PYTHON'; then return; fi
import sqlite3, sys

rows = sqlite3.connect(sys.argv[1]).execute(
    "SELECT attempt FROM pipelines_steprun WHERE step = 'train' AND state = 'running' AND attempt >= ?", (int(sys.argv[2]),)
).fetchall()
sys.exit(0 if rows else 1)
PYTHON
        sleep 0.5
    done
    fail "The sample project did not come to its training (attempt $1)."
}

start 1 240
grep -q "Sign in for the first time" "$folder/out.1" || fail "No sign-in link was printed."
curl -fsS "http://127.0.0.1:$port/sign-in/" >/dev/null || fail "The sign-in page does not answer."
if make run >"$folder/out.second" 2>&1; then fail "A second make run should say that one is running."; fi
grep -q "already running at http://127.0.0.1:$port" "$folder/out.second" || fail "The second make run did not say where the first is."
training 1
stop
begin=$SECONDS
start 2 60
took=$((SECONDS - begin))
training 2
stop
echo "make run: up with the sample in training, stopped, up again in $took s, and the training was taken up."
