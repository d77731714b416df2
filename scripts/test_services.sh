#!/usr/bin/env bash
# Runs the tests that need PostgreSQL and Redis (`services`), and all others that use the database, against servers of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
exec bash scripts/with_services.sh .venv/bin/python -m pytest -m "(services or database) and not browser and not heavy" "$@"
