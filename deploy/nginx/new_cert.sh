#!/bin/sh
# A host name in, a self-signed certificate for trying out: quire.crt and quire.key in a folder.
#   sh deploy/nginx/new_cert.sh HOST [FOLDER]     default folder: deploy/secrets/tls
# Browsers warn of it. For real use put the files of your own authority there, under the same names.
set -eu
HOST=${1:?usage: new_cert.sh HOST [FOLDER]}
FOLDER=${2:-$(dirname "$0")/../secrets/tls}
case "$HOST" in
  *[!0-9.]*) KIND=DNS ;;
  *) KIND=IP ;;
esac
mkdir -p "$FOLDER"
[ ! -e "$FOLDER/quire.key" ] || { printf 'error: %s exists\n' "$FOLDER/quire.key" >&2; exit 1; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/CN=$HOST" \
  -addext "subjectAltName=$KIND:$HOST" -keyout "$FOLDER/quire.key" -out "$FOLDER/quire.crt" 2>/dev/null
# nginx in a container reads the key as a user of its own.
chmod 0444 "$FOLDER/quire.key" "$FOLDER/quire.crt"
printf 'a certificate for %s lies in %s\n' "$HOST" "$FOLDER"
