#!/usr/bin/env bash
# Runs the tests that need PostgreSQL and Redis (`services`), and all others that use the database, against servers of their own,
# JOBS (2) processes at a time: each has databases of its own on both servers.
set -euo pipefail
cd "$(dirname "$0")/.."
exec bash scripts/with_services.sh .venv/bin/python -m pytest -p tests.services.own_queues -n "${JOBS:-2}" --dist loadfile \
    --no-loadscope-reorder -m "(services or database) and not browser and not heavy" "$@"
