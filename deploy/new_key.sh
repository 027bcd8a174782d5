#!/bin/sh
# A path in, a file with a new admin key there out: for QUIRE_ADMIN_KEY_FILE, before `quire keys` can run.
#   sh deploy/new_key.sh [FILE]     default: deploy/secrets/admin_key
set -eu
signs() { LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c "$1"; }
if [ $# -gt 0 ]; then
  FILE=$1
  MODE=0400
else
  # The container's own user must read the file, so the folder is what keeps others out.
  FOLDER=$(dirname "$0")/secrets
  mkdir -p "$FOLDER"
  chmod 0700 "$FOLDER"
  FILE=$FOLDER/admin_key
  MODE=0444
fi
[ ! -e "$FILE" ] || { printf 'error: %s exists; remove it first if its key may go\n' "$FILE" >&2; exit 1; }
(umask 077 && printf 'qk_%s_%s\n' "$(signs 8)" "$(signs 43)" >"$FILE")
chmod "$MODE" "$FILE"
printf 'a new admin key lies in %s\n' "$FILE"
