#!/usr/bin/env bash
# Every check runs even when an earlier one fails, so that one run shows all there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() {
    local name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed+=("$name")
}

built_assets() {
    if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then npm ci --silent || return; fi
    npm run --silent build && git diff --exit-code --stat -- static
}

templates() {
    find templates -name '*.html' -print0 | xargs -0 .venv/bin/djhtml --check --tabwidth 2
}

paths="studio vault pipelines evaluation benchmarks scripts tests manage.py"
# shellcheck disable=SC2086
check "format" .venv/bin/ruff format --check $paths
# shellcheck disable=SC2086
check "lint" .venv/bin/ruff check $paths
check "types" .venv/bin/mypy
check "templates" templates
check "django" .venv/bin/python manage.py check --fail-level WARNING
check "migrations" .venv/bin/python manage.py makemigrations --check --dry-run
if [ -f package.json ] && command -v npm >/dev/null; then
    check "built assets" built_assets
else
    echo "== built assets: skipped, npm is not installed"
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nNot in order: %s\n' "$(IFS=,; echo "${failed[*]}")"
    exit 1
fi
echo "All checks passed."
