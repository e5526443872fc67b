#!/usr/bin/env bash
# Stops what deploy/start-services.sh started: first new pairs, then the processes. What is still open then
# stays as it is and goes on at the next start.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec .venv/bin/arb down "$@"
