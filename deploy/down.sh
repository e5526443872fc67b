#!/usr/bin/env bash
# Stops what deploy/up.sh started, trading first: no new pairs, a minute for open ones to become flat, then all
# containers. Where pairs stay open nothing is stopped, until --anyway says why. What could not be learned is named.
# Volumes (Redis, journal, measurements) stay; --volumes deletes them, after a question.
# Exit code 1: nothing was stopped, or it is not known whether something is open.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { printf 'usage: deploy/down.sh [--anyway REASON] [--volumes]\n'; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*" >&2; }

anyway='' volumes=''
while [ $# -gt 0 ]; do
  case $1 in
    --anyway) anyway=${2:-}; [ -n "$anyway" ] || fail "--anyway needs a reason"; shift ;;
    --volumes) volumes=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "$1 is no option" ;;
  esac
  shift
done

command -v docker >/dev/null || fail "docker is missing: nothing of deploy/up.sh can run here"
docker info >/dev/null 2>&1 || fail "the docker daemon does not answer"
[ -f .env ] || fail ".env is missing: the containers cannot be named without it"
# They only have to be there: secrets of containers that are about to go.
export ARB_ALERTMANAGER_WEBHOOK=unused ARB_ALERTMANAGER_HEARTBEAT=unused
compose=(docker compose --env-file .env --file deploy/compose.yaml --profile simulator)

if [ -n "$volumes" ]; then
  say "--volumes deletes Redis (open pairs, positions), the journal and all measurements of this machine."
  read -r -p "Type delete to go on: " answer || answer=''
  [ "$answer" = delete ] || fail "nothing was stopped or deleted"
fi

# Each container of ours has `arb`; where none runs one is started for it. Words alone count: silence is no answer.
wind_down=(arb wind-down --wait 60 --reason "${anyway:-deploy/down.sh}" --by "$(id -un)")
said=''
for service in risk executor notifier; do
  said=$("${compose[@]}" exec -T "$service" "${wind_down[@]}" 2>/dev/null) || true
  [ -z "$said" ] || break
done
[ -n "$said" ] || said=$("${compose[@]}" run --rm --no-deps -T notifier "${wind_down[@]}") || true
say "${said:-not known: anything; arb runs in no container, so that entries could not be stopped}"
known=''
case $'\n'$said in
  *"nothing is open"*) known=yes ;;
  $'\n' | *$'\nopen: '*)
    [ -n "$anyway" ] || fail "nothing was stopped; look at arb status, or say deploy/down.sh --anyway REASON"
    ;;
esac
if [ -n "$known" ]; then
  "${compose[@]}" exec -T "$service" arb disarm --reason "deploy/down.sh" --by "$(id -un)" >&2 ||
    say "nobody answered that the desk is disarmed"
fi

if [ -n "$volumes" ]; then
  "${compose[@]}" down --timeout 30 --volumes
else
  "${compose[@]}" down --timeout 30
fi
[ -n "$known" ] || fail "all is stopped; what is named above was open, or is not known"
