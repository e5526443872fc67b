#!/usr/bin/env bash
# Writes the lock files from pyproject.toml; with --check proves that they still follow from it, and that
# the gateway still installs on 32-bit Windows from wheels alone. Pins stay unless UPGRADE=1.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=.venv/bin/uv
[ -x "$uv" ] || { echo "error: $uv is missing; run: make setup" >&2; exit 1; }
export UV_NO_PROGRESS=1
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=1; fi
common=(--extra gateway --generate-hashes --no-emit-index-url --no-emit-find-links
  --custom-compile-command "make lock" --quiet ${UPGRADE:+--upgrade})
linux=(--group dev --universal --python-version 3.11)
services=(--universal --python-version 3.11) # what the image of deploy/Dockerfile holds
win32=(--python-platform i686-pc-windows-msvc --python-version 3.11 --only-binary :all:)

compile() { "$uv" pip compile pyproject.toml "${common[@]}" "${@:2}" --output-file "$1" >/dev/null; }
pins() { grep -v -e '--hash=' "$1"; } # a registry may add a file to a release: hashes may grow

if [ "${1:-}" != --check ]; then
  compile requirements/linux.lock "${linux[@]}"
  compile requirements/services.lock "${services[@]}"
  compile requirements/gateway-win32.lock "${win32[@]}"
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp requirements/*.lock "$folder"
compile "$folder/linux.lock" "${linux[@]}"
compile "$folder/services.lock" "${services[@]}"
compile "$folder/gateway-win32.lock" "${win32[@]}"
for lock in linux.lock services.lock gateway-win32.lock; do
  diff <(pins "requirements/$lock") <(pins "$folder/$lock") ||
    { echo "error: requirements/$lock does not follow from pyproject.toml; run: make lock" >&2; exit 1; }
done
echo "locks follow from pyproject.toml; the gateway installs on win32 from wheels alone"
