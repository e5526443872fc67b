#!/usr/bin/env bash
# What `make clean` runs: drops .venv, caches and run/, all of which a start makes again. It refuses while something
# of this folder runs, and while run/ holds what no start makes again: intentions, a HALT file, the record, Redis.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
here=$(pwd -P)

# Each of our processes is told its log file, Redis names its socket. What belongs to a stack in another folder runs
# with this folder's Python. Patterns are no arguments: the search would find itself.
found() { grep -slzaF -f <(printf '%s\n' "$1") /proc/[0-9]*/"$2" || true; }
running=''
for file in $(found "ARB_RUNTIME_LOG_FILE=$here/run/" environ) $(found "unixsocket:$here/run/" cmdline); do
  running+=" ${file//[!0-9]/}"
done
for file in $(found "$here/.venv/bin/" cmdline); do
  if grep -qzaF -e supervisor.supervisord "$file" 2>/dev/null ||
    grep -qzaF -e ARB_RUNTIME_LOG_FILE= "${file%cmdline}environ" 2>/dev/null; then
    running+=" ${file//[!0-9]/}"
  fi
done
# What the record names, where the kernel says that it is still that process (field 22 of stat: when it began).
if [ -f run/stack.json ]; then
  records=$(tr -d ' \n' <run/stack.json | grep -o '"pid":[0-9]*,"born":"[0-9]*"' | tr -cs '0-9\n' ' ') || true
  while read -r pid born; do
    [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)" != "$born" ] || running+=" $pid"
  done <<<"$records"
fi
[ -z "$running" ] || fail "processes of this folder run (pid$running): stop them first, with \`arb down\`"

if [ -d run ]; then
  kept=$(find run \( -iname 'halt*' -o -name 'intentions*' -o -name '*.jsonl*' -o -name '*.aof' -o -name '*.rdb' \) |
    head -n 5 | tr '\n' ' ')
  [ -z "$kept" ] || fail "run/ holds what no start makes again (${kept% }): archive it (mv run ../run-archive)," \
    "or remove it by hand where it is of no use"
fi

rm -rf .venv build dist run .mypy_cache .ruff_cache .hypothesis .import_linter_cache .pytest_cache
find . -name __pycache__ -type d -prune -exec rm -rf {} +
