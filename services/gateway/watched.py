"""Whether anybody watches the gateway: its supervisor touches a file at each look, the gateway tells its age.

It needs no Redis: a supervisor that died or hangs is noticed by whoever scrapes the gateway.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOK_FILE: Final = "supervisor.look"


def look(folder: Path) -> None:
    """Say that somebody looks now; a disk that refuses stops no supervision."""
    path = folder / LOOK_FILE
    with suppress(OSError):
        path.touch()
        os.utime(path)


def look_age_s(folder: Path, wall_s: float) -> float | None:
    """Return how long ago somebody looked, at Unix time `wall_s`; None where nobody ever did."""
    try:
        return max(0.0, wall_s - (folder / LOOK_FILE).stat().st_mtime)
    except OSError:
        return None
