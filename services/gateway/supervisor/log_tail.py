"""The last lines that a gateway wrote: its structured log, and what it printed besides (a traceback)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

READ_BYTES: Final = 32_768
LINE_CHARS: Final = 240
TEXT_CHARS: Final = 2_400
_PLAIN: Final = ("timestamp", "ts", "level", "service", "event")


def last_lines(paths: Sequence[Path], count: int) -> tuple[str, ...]:
    """Return up to `count` last lines of each file, shortened, in words where they are JSON."""
    return tuple(line for path in paths for line in _of_file(path, count))


def as_text(lines: Sequence[str]) -> str:
    """Return the lines as one text that fits an alert: the newest are kept."""
    text = "\n".join(lines)
    return text if len(text) <= TEXT_CHARS else "…" + text[-TEXT_CHARS:]


def _of_file(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [_shown(line)[:LINE_CHARS] for line in text.splitlines() if line.strip()][-count:]


def _shown(line: str) -> str:
    try:
        data = json.loads(line)
    except ValueError:
        return line
    if not isinstance(data, dict):
        return line
    time = str(data.get("ts") or data.get("timestamp") or "")[11:19]
    rest = " ".join(f"{name}={value}" for name, value in data.items() if name not in _PLAIN)
    return " ".join(filter(None, (time, str(data.get("level", "")), str(data.get("event", "")), rest)))
