#!/bin/sh
# llama-cpp-python's source package in, the chat templates that llama.cpp tests with out, in .venv/share/llama-templates.
set -eu
cd "$(dirname "$0")/.."
FOLDER=.venv/share/llama-templates
[ -d "$FOLDER" ] && exit 0
printf '==> chat templates of known models, for the comparison with transformers\n'
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
.venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
  --constraint constraints.txt --dest "$WORK" llama-cpp-python
mkdir -p "$WORK/templates" "$(dirname "$FOLDER")"
.venv/bin/python - "$WORK" <<'EOF'
import sys, tarfile
from pathlib import Path
folder = Path(sys.argv[1])
with tarfile.open(next(folder.glob("*.tar.gz"))) as packed:
    for member in packed:
        if member.isfile() and "/models/templates/" in member.name and member.name.endswith(".jinja"):
            (folder / "templates" / Path(member.name).name).write_bytes(packed.extractfile(member).read())
EOF
mv "$WORK/templates" "$FOLDER"
