#!/bin/sh
# Distils Banking77 (10,003 training and 3,080 test questions, 77 intents). Usage: scripts/banking77.sh FOLDER [SPEC [OPTION…]]
set -eu
cd "$(dirname "$0")/.."
data=${1:-}
spec=${2:-specs/banking77.yaml}
[ $# -eq 0 ] || shift
[ $# -eq 0 ] || shift
if [ ! -f "$data/train.csv" ] || [ ! -f "$data/test.csv" ]; then
    echo "Say where train.csv and test.csv (columns text and category) are: make banking77 DATA=folder" >&2
    exit 1
fi
exec .venv/bin/python manage.py run_pipeline "$spec" \
    --dataset "banking77-train=$data/train.csv" --dataset "banking77-test=$data/test.csv" ${OUT:+--out "$OUT"} "$@"
