"""Who is silent, and what of a board nobody knows by that.

Each service says about once a second how things are. Its last words are kept for ever, so their age decides:
older than its bound, what they say is unknown, and is shown as unknown beside what was said last. Pure.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from services.cli.board import STALE_NS, Board
from services.cli.faults import Fault
from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.status import OpenPairSeen

SPEAKERS: Final = ("gateway", "risk", "executor", "notifier")
"""Services that say how things are, each in one status; detectors come beside them, one a group."""
DETECTOR: Final = "detector-"
ANY_DETECTOR: Final = "any detector"
"""Stands for those that nobody can name yet: no reference data are in force, and none was heard."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A service whose words do not count now.

    `age_ms` is how old its last ones are, None where there are none, and `last` are those.

    An age below zero is of a stamp that lies ahead of Redis time: the clock was set back.
    """

    service: str
    age_ms: int | None
    last: Message | None

    @property
    def words(self) -> str:
        """Say it as a clause: `the executor has said nothing for 80 s`."""
        if self.service == ANY_DETECTOR:
            return "no detector has been heard"
        name = self.service if self.service == "risk" or is_detector(self.service) else f"the {self.service}"
        if self.age_ms is None:
            return f"{name} has not been heard"
        if self.age_ms < 0:
            return f"the last word of {name} is stamped {-self.age_ms // 1_000} s ahead of Redis time"
        return f"{name} has said nothing for {self.age_ms // 1_000} s"


def silences(board: Board, now_ns: int) -> tuple[Silence, ...]:
    """Return every service that should speak and is silent, each group's detector among them."""
    every = (silence_of(board, name, now_ns) for name in (*SPEAKERS, *needed_detectors(board)))
    return tuple(silence for silence in every if silence is not None)


def is_detector(service: str) -> bool:
    return service.startswith(DETECTOR)


def silence_of(board: Board, service: str, now_ns: int) -> Silence | None:
    """Return the silence of a service, None where its last words are fresh."""
    said = board.last_words.get(service)
    if said is None:
        return Silence(service, None, None)
    age_ns = now_ns - said.at_ns
    return None if abs(age_ns) <= STALE_NS else Silence(service, age_ns // NS_PER_MS, said.message)


def require_word(board: Board, service: str, now_ns: int, what: str) -> None:
    """See to it that a service's last words count for `what` (a clause: `which pairs are open`).

    Raises:
        Fault: it is silent.
    """
    silence = silence_of(board, service, now_ns)
    if silence is not None:
        raise Fault(f"{what} is not known: {silence.words}", "`arb status` shows who is silent.")


def needed_detectors(board: Board) -> tuple[str, ...]:
    """Return the detectors that have to speak: those required, else those heard, else any."""
    heard = tuple(sorted(name for name in {*board.last_words, *board.services} if is_detector(name)))
    return required_detectors(board) or heard or (ANY_DETECTOR,)


def required_detectors(board: Board) -> tuple[str, ...]:
    """Return the detectors that the reference data ask for: one for each group with an enabled symbol."""
    entries = () if board.reference is None else board.reference.symbols
    return tuple(sorted({f"{DETECTOR}{entry.group}" for entry in entries if entry.enabled}))


def known(board: Board, now_ns: int) -> Board:
    """Return the board without what nobody knows at `now_ns`: None, or nothing, stands for it.

    Latches and stranded marks stay: each is a stop, and is over when somebody says so.
    """
    silent = {item.service for item in silences(board, now_ns)}
    changes: dict[str, Any] = {name: None for name in SPEAKERS if name in silent}
    if "risk" in silent and abs(now_ns - board.trading_ns) > STALE_NS:
        changes["trading"] = None
    if "gateway" in silent:
        changes |= {"phases": {}, "feeds": {}, "window": None, "connection": None}
    fresh = {
        group: said
        for group, said in board.detectors.items()
        if silence_of(board, f"{DETECTOR}{group}", now_ns) is None
    }
    return replace(board, detectors=fresh, **changes)


def open_rows(board: Board, now_ns: int) -> tuple[tuple[OpenPairSeen, ...], Silence | None]:
    """Return open pairs and stranded positions as the executor said last, and its silence where it is silent.

    A pair that was closed since then is left out.
    """
    silence, said = silence_of(board, "executor", now_ns), board.executor_last
    if said is None:
        return (), silence
    at_ns = board.last_words["executor"].at_ns
    over = {pair.pair_id for pair in board.closed if pair.closed_at_ns >= at_ns}
    return tuple(row for row in (*said.pairs, *said.stranded) if row.pair_id not in over), silence
