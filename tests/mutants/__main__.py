"""Plant each fault in a copy of the code, and print who notices it: the fast suite, and simulated days.

    make mutants                               every fault of mutants.toml
    make mutants ARGS="NAME --days 60"         one, and fewer days; --days 0 runs the fast suite alone

The fast suite is narrowed to the tests of the fault's room, and ends at the first that fails, as the days do
at the first broken invariant. The working tree is not touched. Exit code 1 where the fast suite lets one
live that is not named as harmless.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.catalogue import Mutant, catalogue

ROOT = Path(__file__).resolve().parents[2]
DAYS = 300
SUITES = {
    "contracts": ("tests/contracts", "tests/unit/market", "tests/unit/gateway"),
    "runtime": ("tests/unit/runtime", "tests/bus"),
}
"""Tests of a room, where they are not those of its own folder."""
DAYS_CODE = """
import sys
from pathlib import Path
from services.cli.simulate import LOG_LEVEL
from services.runtime.logs import configure_logs
from services.simulator.virtual.day import run_day
from services.simulator.virtual.desk import build_desk

configure_logs(LOG_LEVEL)
desk = build_desk(Path("config"))
for seed in range(int(sys.argv[1])):
    found = run_day(desk, seed).violations
    if found:
        sys.exit(f"seed {seed}: {found[0]}")
"""
LONGEST_S = 1_800


def copied(target: Path) -> None:
    """Copy what git knows of the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=LONGEST_S
    )


def by_fast_suite(folder: Path, mutant: Mutant) -> str:
    """Return the first test that fails, or empty."""
    paths = SUITES.get(mutant.room, (f"tests/unit/{mutant.room}",))
    ran = run(folder, "-m", "pytest", "-x", "-q", "-n", "2", "-m", "not slow", *paths)
    if ran.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    return failed[1] if failed else (ran.stdout + ran.stderr)[-300:]


def by_days(folder: Path, days: int) -> str:
    """Return the first seed whose day breaks an invariant, and how; or empty."""
    ran = run(folder, "-c", DAYS_CODE, str(days))
    return "" if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]


def judge(folder: Path, mutant: Mutant, days: int, *, suite: bool) -> tuple[str, str]:
    """Return who notices a fault: a test, and a day; empty where none does."""
    target = folder / mutant.file
    right = target.read_text(encoding="utf-8")
    target.write_text(mutant.planted(right), encoding="utf-8")
    try:
        return by_fast_suite(folder, mutant) if suite else "", by_days(folder, days) if days else ""
    finally:
        target.write_text(right, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="only these faults")
    parser.add_argument("--days", type=int, default=DAYS, help="simulated days at most; 0 for none")
    parser.add_argument("--no-suite", action="store_true", help="simulated days alone")
    asked = parser.parse_args(arguments)
    chosen = [mutant for mutant in catalogue() if not asked.names or mutant.name in asked.names]
    lives: dict[str, list[Mutant]] = {"fast suite": [], "days": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        for mutant in chosen:
            found = judge(folder, mutant, asked.days, suite=not asked.no_suite)
            print(mutant.name)
            for who, text in zip(lives, found, strict=True):
                print(f"  {who}: {text or 'lives'}", flush=True)
                if not text:
                    lives[who].append(mutant)
            for why, text in zip((mutant.harmless, mutant.no_day), found, strict=True):
                if why and not text:
                    print(f"  may live: {why}", flush=True)
    for who, living in lives.items():
        print(f"{who}: {len(chosen) - len(living)} of {len(chosen)} noticed")
    harmful = [mutant for mutant in lives["fast suite"] if not mutant.harmless]
    return 1 if harmful and not asked.no_suite else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
