"""`python -m deploy.dashboards`: writes every dashboard; with `--check` fails where a file is stale."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import bus, execution, gateway, risk, symbol, trading_day

FOLDER: Final = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"
BOARDS: Final = (trading_day, symbol, execution, risk, bus, gateway)


def dashboards() -> dict[str, Dashboard]:
    """Return every dashboard by the name of its file."""
    return {
        f"{module.__name__.rpartition('.')[2].replace('_', '-')}.json": module.made() for module in BOARDS
    }


def texts() -> dict[str, str]:
    """Return what each file has to hold."""
    encoder = JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False)
    return {name: encoder.encode(board) + "\n" for name, board in dashboards().items()}


def stale(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Return the names of files that are not as they have to be, those too many included."""
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is stale")
    check = parser.parse_args().check
    wanted = texts()
    names = stale(wanted)
    if check:
        if names:
            sys.stderr.write(f"error: stale: {', '.join(names)}; run: make dashboards\n")
        return 1 if names else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    panels = sum(json.loads(text)["panels"].__len__() for text in wanted.values())
    print(f"{len(wanted)} dashboards with {panels} rows and panels; {len(names)} files written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
