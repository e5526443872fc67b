"""A Redis that can be killed and come back without the end of its file, as after a power cut.

`appendfsync everysec` promises all but the last second: how much the file grew in that second is
watched, and never more than that is cut off.
"""

import os
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.cli.stack import STOP_TIMEOUT_S
from services.runtime.redis_server import RedisServer, find_redis

UNSYNCED_S: Final = 1.0
SAMPLES: Final = 400


@dataclass(frozen=True, slots=True)
class TailCut:
    """What a crash took: how many bytes of which file, and since when entries may be missing."""

    path: str
    cut_bytes: int
    since_ms: int


@dataclass
class FragileRedis:
    """The embedded server of one run folder; `unsynced_s` is how much of its last writing is at risk."""

    folder: Path
    unsynced_s: float = UNSYNCED_S
    server: RedisServer = field(init=False)
    _sizes: "deque[tuple[float, Path, int]]" = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def start(self) -> RedisServer:
        """Start it, or start it again on what its file still holds; waits until it answers."""
        self.server = find_redis("", self.folder, tied=True)
        return self.server

    def watch(self) -> None:
        """Note the size of the file; to be called many times a second."""
        path = newest_aof(self.folder)
        if path is not None:
            self._sizes.append((time.monotonic(), path, path.stat().st_size))

    def signal(self, number: int) -> None:
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.process.send_signal(number)

    def kill(self, tail_permille: int) -> TailCut:
        """SIGKILL, and cut `tail_permille` of what the last second wrote off the end of the file."""
        self.watch()
        killed_s = time.monotonic()
        self.signal(signal.SIGKILL)
        if self.server.process is not None:
            self.server.process.wait(STOP_TIMEOUT_S)
        since_ms = time.time_ns() // 1_000_000 - round(self.unsynced_s * 3_000)
        path = newest_aof(self.folder)
        if path is None:
            return TailCut("", 0, since_ms)
        size = path.stat().st_size
        cut = tail_permille * (size - self._synced(path, killed_s, size)) // 1_000
        os.truncate(path, size - cut)
        self._sizes.clear()
        return TailCut(path.name, cut, since_ms)

    def stop(self) -> None:
        self.signal(signal.SIGCONT)
        self.server.stop()

    def _synced(self, path: Path, killed_s: float, size: int) -> int:
        """How much of the file the disk had for certain: its size a second before the end.

        A server that starts on a torn file shortens it: what was seen before that is no more than there is.
        """
        old = [seen for at_s, of, seen in self._sizes if of == path and at_s <= killed_s - self.unsynced_s]
        return min(old[-1], size) if old else size


def newest_aof(folder: Path) -> Path | None:
    """Return the file that Redis appends to now, None before there is one."""
    files = folder.glob("appendonlydir/*.incr.aof")
    return max(files, key=_sequence, default=None)


def _sequence(path: Path) -> int:
    number = path.name.removesuffix(".incr.aof").rpartition(".")[2]
    return int(number) if number.isdigit() else 0
