#!/bin/sh
# Makes .venv and installs the locked packages into it, only when something changed. Usage: scripts/setup.sh run|dev|bench
# Every problem that a newcomer can meet ends in one line that says what to do.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
# Where torch comes with CUDA (Linux on amd64) it takes most of this.
needed_gb=10

stop() {
    printf '\n%s\n' "$1" >&2
    exit 1
}

case $kind in
    run) locks="requirements.lock" ;;
    dev) locks="requirements.lock requirements/dev.lock" ;;
    bench) locks="requirements.lock requirements/bench.lock" ;;
    *) stop "Usage: scripts/setup.sh run|dev|bench" ;;
esac

fingerprint_of() {
    cat requirements/web.lock requirements/converter.lock "$@" | cksum
}

# shellcheck disable=SC2086
fingerprint=$(fingerprint_of $locks)
stamp=.venv/.installed-$kind
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

is_right() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    # Run each one: a name on PATH may be a shim for a version that is not installed.
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        if is_right "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    found=$(python3 -c 'import platform; print("Python " + platform.python_version())' 2>/dev/null || echo "no Python 3")
    stop "Distill Studio needs Python 3.11, 3.12 or 3.13; this machine has $found.
Install one (Debian, Ubuntu: sudo apt-get install python3 python3-venv; macOS: brew install python@3.13),
or name yours: PYTHON=/path/to/python3.12 make run"
fi

if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    stop "$python cannot make virtual environments: its venv module is missing.
Debian, Ubuntu: sudo apt-get install python3-venv    then run this again."
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'int main() { return 0; }\n' >"$work/probe.cpp"
if ! "${CXX:-c++}" "$work/probe.cpp" -o "$work/probe" >/dev/null 2>&1; then
    stop "No working C++ compiler was found; llama.cpp is compiled during the installation.
Debian, Ubuntu: sudo apt-get install build-essential    macOS: xcode-select --install    then run this again."
fi

free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
if [ ! -x .venv/bin/python ] && [ "$free_kb" -lt $((needed_gb * 1000000)) ]; then
    stop "Only $((free_kb / 1000000)) GB are free here; the installation needs $needed_gb GB.
Free some space, or move this folder to a larger disk, then run this again."
fi

if ! { [ -x .venv/bin/python ] && is_right .venv/bin/python; }; then
    echo "Making .venv with $("$python" --version) ..."
    rm -rf .venv
    "$python" -m venv .venv || stop "The virtual environment could not be made; the lines above say why."
fi

echo "Installing packages. The first time takes some minutes: llama.cpp is compiled for this machine."
arguments=""
for lock in $locks; do
    arguments="$arguments -r $lock"
done

install() {
    .venv/bin/python -m pip install --no-input --disable-pip-version-check "$@"
}

# On a terminal, one line that says which package it is at.
# shellcheck disable=SC2086
if [ -t 1 ]; then
    { PYTHONUNBUFFERED=1 install $arguments || : >"$work/failed"; } | awk '
        /^ *(Collecting|Building wheel for) / { n += /Collecting/; printf "\r  %3d packages, now: %-50.50s", n, $0; fflush() }
        /^Installing collected/ { printf "\r  %3d packages, now: %-50s", n, "putting them into place"; fflush() }
        END { print "" }'
else
    install --quiet $arguments || : >"$work/failed"
fi
# The converter of GGUF files lives apart: see the file.
[ -e "$work/failed" ] ||
    install --quiet --no-deps --upgrade --target .venv/converter -r requirements/converter.lock || : >"$work/failed"
if [ -e "$work/failed" ]; then
    stop "The packages could not be installed; the lines above say why.
Is the network there, and is there space left (df -h .)? Run the same command again: it goes on where it stopped."
fi
printf '%s\n' "$fingerprint" >"$stamp"
# The others hold all that `run` needs.
fingerprint_of requirements.lock >.venv/.installed-run
