#!/bin/sh
# A .venv with Quire in, the test tools beside it out; a browser too where that is allowed.
set -eu
cd "$(dirname "$0")/.."
printf '==> test tools\n'
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
has_browser() { for one in chromium chromium-browser google-chrome; do command -v "$one" >/dev/null 2>&1 && return 0; done; return 1; }
if ! has_browser; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf '==> a browser for the tests of the interface (apt-get install chromium)\n'
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null; } \
      || printf 'warning: no browser could be installed; its tests will be reported as skipped\n' >&2
  else
    printf 'warning: no chromium found; install it to run the tests of the interface (Debian: apt install chromium)\n' >&2
  fi
fi
touch .venv/.dev
