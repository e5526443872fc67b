"""The gateway's pulse: a small file that its Qt thread writes after each turn, and its supervisor reads.

It works with Redis dead, and it stops when the Qt thread does: a blocked event loop, or a call on the
control that never returns. The record is written in place over a fixed length: no renaming that a reader
on Windows could hinder, no block of a full disk to be found. Its number stands at both ends, so that one
read while it is written is not taken for whole.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Venue
from services.gateway.book_feed import BookFeed
from services.gateway.state import GatewayState
from services.runtime.private import FILE_MODE, private_folder

PULSE_MS: Final = 250
PULSE_FILE: Final = "pulse.json"
STOP_FILE: Final = "stop"
RECORD_BYTES: Final = 1_024
WAITING_FOR_REDIS: Final = "waiting_for_redis"
FENCED: Final = "fenced"
WAITING: Final = frozenset({WAITING_FOR_REDIS, FENCED})
"""Stages in which a gateway waits for something that a new start does not bring."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the supervisor needs to know of a gateway; ages in ms, -1 where nothing came yet.

    `stage` is the connection's state, `waiting_for_redis` before there is a Qt loop, or `fenced` after it.
    `quiet_ms` holds `book:KRX` and so on for what is registered and trades now; `owing` counts pairs that
    hold shares.
    """

    stage: str
    ready: bool = False
    planned: bool = False
    working: int = 0
    owing: int = 0
    quiet_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pulse:
    """One record: who beats, the how-manieth beat it is, and how it feels."""

    pid: int
    number: int
    vitals: Vitals


class PulseFile:
    """The gateway's end. `path` lies in its state folder; a beat that cannot be written is left out."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self._stop, self._number, self._failed = folder / STOP_FILE, 0, False
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._file = os.open(folder / PULSE_FILE, flags, FILE_MODE)

    def beat(self, vitals: Vitals) -> None:
        self._number += 1
        record = encode(Pulse(os.getpid(), self._number, vitals))
        try:
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, record)
            self._failed = False
        except OSError:
            if not self._failed:
                structlog.get_logger(service="gateway").exception("pulse not written")
            self._failed = True

    @property
    def told_to_stop(self) -> bool:
        """Whether the supervisor asks this very process to end: signals do not reach it on Windows.

        The file names the process that was started and its descendants, of which this is one.
        """
        try:
            return str(os.getpid()) in self._stop.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        os.close(self._file)


def encode(pulse: Pulse) -> bytes:
    """Return the record; raises ValueError where it would not fit."""
    text = json.dumps({"number": pulse.number, **asdict(pulse), "end": pulse.number})
    record = text.encode().ljust(RECORD_BYTES - 1) + b"\n"
    if len(record) != RECORD_BYTES:
        raise ValueError(f"a pulse of {len(record)} bytes is longer than {RECORD_BYTES}")
    return record


def decode(record: bytes) -> Pulse | None:
    """Return the pulse of a record, None where it is torn or no record."""
    try:
        data: Any = json.loads(record)
        if data["number"] != data["end"]:
            return None
        vitals = data["vitals"]
        quiet_ms = {str(name): int(age_ms) for name, age_ms in vitals["quiet_ms"].items()}
        return Pulse(
            int(data["pid"]), int(data["number"]),
            Vitals(
                str(vitals["stage"]), bool(vitals["ready"]), bool(vitals["planned"]),
                int(vitals["working"]), int(vitals["owing"]), quiet_ms,
            ),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def read_pulse(folder: Path) -> Pulse | None:
    """Return the newest pulse of a state folder, None where there is none to be read."""
    try:
        with (folder / PULSE_FILE).open("rb") as file:
            return decode(file.read(RECORD_BYTES))
    except OSError:
        return None


def vitals_of(state: GatewayState, feed: BookFeed, now_ns: int) -> Vitals:
    """Return what there is to say of a gateway: pure."""
    link = state.link
    quiet_ms: dict[str, int] = {}
    if state.registered:
        kinds = {"book": feed.last_ns, **({"trade": feed.traded_ns} if state.settings.publish_trades else {})}
        for kind, last_ns in kinds.items():
            for venue in sorted(state.session.continuous):
                quiet_ms[f"{kind}:{venue.value}"] = _age_ms(last_ns, venue, now_ns)
    return Vitals(
        stage=link.state.value, ready=link.state is ConnectionState.READY,
        planned=link.state is ConnectionState.CLOSED or link.planned,
        working=len(state.orders.working), owing=len(state.orders.pairs_owing_an_exit()), quiet_ms=quiet_ms,
    )  # fmt: skip


def _age_ms(last_ns: Mapping[Venue, int], venue: Venue, now_ns: int) -> int:
    return (now_ns - last_ns[venue]) // NS_PER_MS if venue in last_ns else -1
