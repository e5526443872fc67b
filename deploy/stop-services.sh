#!/usr/bin/env bash
# Stops what deploy/start-services.sh started: first new pairs, then the processes. Where pairs stay open nothing is
# ended, until `--anyway --reason WHY`: they then stay as they are and go on at the next start.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec .venv/bin/arb down "$@"
