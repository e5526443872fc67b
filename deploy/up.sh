#!/usr/bin/env bash
# Starts Redis, the Linux services and what watches them in containers, and waits until all are healthy.
# The gateway runs on the broker's Windows machine; --simulator runs a simulated broker and its gateway here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { printf 'usage: deploy/up.sh [--simulator] [--no-build]\n'; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
note() { printf 'note: %s\n' "$*" >&2; }

arguments=(up --detach --wait --wait-timeout 180 --remove-orphans)
profile=()
build=(--build)
for argument in "$@"; do
  case $argument in
    --simulator) profile=(--profile simulator) && export ARB_RUNTIME_SYSTEM_MODE=simulated ;;
    --no-build) build=() ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "$argument is no option" ;;
  esac
done

command -v docker >/dev/null || fail "docker is missing; see https://docs.docker.com/engine/install/debian/"
docker compose version >/dev/null 2>&1 || fail "docker has no compose plugin: apt-get install docker-compose-plugin"
docker info >/dev/null 2>&1 || fail "the docker daemon does not answer; start it, or use a user that may (group docker)"
[ -f .env ] || fail ".env is missing: cp deploy/env.example .env, fill it in, chmod 600 .env"
if [ -n "$(find .env -perm /077)" ]; then note ".env can be read by others: chmod 600 .env"; fi

value() { sed -n "s/^[[:space:]]*$1=//p" .env | tail -n 1 | sed -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/"; }
for name in ARB_REDIS_PASSWORD ARB_GRAFANA_PASSWORD; do
  [ -n "$(value "$name")" ] || fail "$name is empty in .env; deploy/env.example says what it is"
done
[[ "$(value ARB_REDIS_PASSWORD)" =~ ^[A-Za-z0-9]+$ ]] ||
  fail "ARB_REDIS_PASSWORD in .env holds more than letters and digits; it becomes part of an address"
# Alertmanager's secrets must not be empty. Where nobody named an address they lead nowhere, and it says so; the
# notifier gets the address as it is, or none, and looks in config/slack.toml. Compose prefers the shell to .env.
named() { if [ -n "${!1+x}" ]; then printf '%s' "${!1}"; else value "$1"; fi; }
nowhere=http://127.0.0.1:9/not-configured
webhook=$(named SLACK_WEBHOOK_URL)
heartbeat=$(named ARB_HEARTBEAT_URL)
[ -n "$webhook" ] ||
  note "SLACK_WEBHOOK_URL is empty: Alertmanager posts nowhere, the notifier by config/slack.toml, else to its log"
[ -n "$heartbeat" ] || note "ARB_HEARTBEAT_URL is empty: nobody notices when this machine as a whole is gone"
export ARB_ALERTMANAGER_WEBHOOK="${webhook:-$nowhere}" ARB_ALERTMANAGER_HEARTBEAT="${heartbeat:-$nowhere}"
if [ ${#profile[@]} -eq 0 ] && [[ "$(value ARB_METRICS_GATEWAY)" == gateway:* ]]; then
  note "ARB_METRICS_GATEWAY in .env names the simulated gateway, which does not run: name the Windows machine"
fi

compose=(docker compose --env-file .env --file deploy/compose.yaml "${profile[@]}")
"${compose[@]}" config --quiet || fail "deploy/compose.yaml and .env do not fit together; see above"
if ! "${compose[@]}" "${arguments[@]}" "${build[@]}"; then
  "${compose[@]}" ps --all >&2
  fail "not everything became healthy. Look: docker compose --file deploy/compose.yaml logs --tail 50 SERVICE"
fi
"${compose[@]}" ps
cat <<END

Everything is healthy, and disarmed. Next:
  Grafana        $(value ARB_GRAFANA_URL)  (user admin)
  what is missing before it may trade:  docker compose --file deploy/compose.yaml exec risk arb preflight
  stop:                                 deploy/down.sh
END
