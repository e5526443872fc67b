#!/usr/bin/env bash
# Stops what deploy/up.sh started, trading first: no new pairs, a minute for open ones to become flat, then all
# containers. Volumes (Redis, journal, measurements) stay; --volumes deletes them, after a question.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { printf 'usage: deploy/down.sh [--force] [--volumes]\n'; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*" >&2; }

force='' volumes=''
for argument in "$@"; do
  case $argument in
    --force) force=yes ;;
    --volumes) volumes=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "$argument is no option" ;;
  esac
done

command -v docker >/dev/null || fail "docker is missing: nothing of deploy/up.sh can run here"
docker info >/dev/null 2>&1 || fail "the docker daemon does not answer"
[ -f .env ] || fail ".env is missing: the containers cannot be named without it"
# They only have to be there: secrets of containers that are about to go.
export SLACK_WEBHOOK_URL="${SLACK_WEBHOOK_URL-unused}" ARB_HEARTBEAT_URL="${ARB_HEARTBEAT_URL-unused}"
compose=(docker compose --env-file .env --file deploy/compose.yaml --profile simulator)

if [ -n "$volumes" ]; then
  say "--volumes deletes Redis (open pairs, positions), the journal and all measurements of this machine."
  read -r -p "Type delete to go on: " answer || answer=''
  [ "$answer" = delete ] || fail "nothing was stopped or deleted"
fi

arb() { "${compose[@]}" exec -T risk arb "$@"; }
reason=(--reason "deploy/down.sh" --by "$(id -un)")
seen() { sed -n "s/.*\"$1\": *\"\{0,1\}\([a-z0-9_]*\).*/\1/p" | head -n 1; } # the first value of a key
open_pairs() { arb status --json | seen open_pairs; }

stop_trading() { # 0: nothing is open and nothing may be sent; 1: unknown, or still open
  local left state deadline=$((SECONDS + 60))
  state=$(arb status --json | seen state) || return 1
  case $state in
    armed | pause_entry) arb reduce "${reason[@]}" >&2 || return 1 ;;
  esac
  while left=$(open_pairs) && [ -n "$left" ] && [ "$left" -gt 0 ] && [ $SECONDS -lt $deadline ]; do
    say "waiting for $left open pair(s) to become flat"
    sleep 2
  done
  [ "${left:-unknown}" = 0 ] || { say "open pairs: ${left:-unknown}"; return 1; }
  [ "$state" = disarmed ] || [ "$state" = halted ] || arb disarm "${reason[@]}" >&2
}

if [ -n "$("${compose[@]}" ps --quiet --status running risk)" ]; then
  if ! stop_trading; then
    [ -n "$force" ] || fail "trading could not be brought to an end, so nothing was stopped. Look at arb status;" \
      "deploy/down.sh --force halts (open positions stay) and stops everything"
    arb halt "${reason[@]}" >&2 || say "the halt was not confirmed; a HALT file beside the gateway stops it as well"
  fi
else
  say "risk does not run: trading is not stopped from here. The gateway stops by itself without a lease."
fi

if [ -n "$volumes" ]; then
  "${compose[@]}" down --timeout 30 --volumes
else
  "${compose[@]}" down --timeout 30
fi
