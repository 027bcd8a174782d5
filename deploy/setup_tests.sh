#!/bin/sh
# A .venv with Quire in, the test tools beside it out; programs that some tests need too, where that is allowed.
set -eu
cd "$(dirname "$0")/.."
printf '==> test tools\n'
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
has_any() { for one in "$@"; do command -v "$one" >/dev/null 2>&1 && return 0; done; return 1; }
# add WHAT PACKAGES: Debian packages without which the tests of WHAT are skipped.
add() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf '==> for the tests of %s (apt-get install %s)\n' "$1" "$2"
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $2 >/dev/null; } \
      || printf 'warning: %s could not be installed; the tests of %s will be reported as skipped\n' "$2" "$1" >&2
  else
    printf 'warning: %s not found; install it to run the tests of %s (Debian: apt install %s)\n' "$2" "$1" "$2" >&2
  fi
}
has_any chromium chromium-browser google-chrome || add 'the interface' 'chromium fonts-noto-cjk'
has_any tesseract || add 'scanned pages' 'tesseract-ocr tesseract-ocr-chi-sim fonts-noto-cjk'
if ! has_any docker-registry registry; then
  add 'a real registry' 'docker-registry'
  # The tests start one of their own; the package's service would stay and listen on port 5000.
  if [ -d /run/systemd/system ]; then systemctl disable --now docker-registry 2>/dev/null || true; fi
fi
if ! has_any nginx /usr/sbin/nginx; then
  add 'the reverse proxy' 'nginx-light openssl'
  # Likewise.
  if [ -d /run/systemd/system ]; then systemctl disable --now nginx 2>/dev/null || true; fi
fi
sh deploy/fetch_templates.sh \
  || printf 'warning: no chat templates of known models; their comparison will be reported as skipped\n' >&2
if command -v npm >/dev/null 2>&1; then
  printf '==> JavaScript clients (npm)\n'
  (cd tests/live/npm && npm ci --silent --no-fund --no-audit >/dev/null) \
    || printf 'warning: the JavaScript clients could not be installed; their tests will be reported as skipped\n' >&2
else
  printf 'warning: no npm found; install it to run the tests of JavaScript clients (Debian: apt install npm)\n' >&2
fi
touch .venv/.dev
