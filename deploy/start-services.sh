#!/usr/bin/env bash
# Starts the Linux services of one machine under supervisord, against the Redis of `.env`; the gateway runs on
# Windows. A service that ends is started again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec .venv/bin/arb up --no-gateway "$@"
