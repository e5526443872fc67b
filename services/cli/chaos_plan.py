"""Which faults strike a day, and when: a pure function of seed and day, so that a day can be run again.

A deck of faults is shuffled and dealt over the hours in which pairs can be open. A card that wants an
open pair waits for one a little; which pair that is depends on the market, not on the deck.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

REDIS: Final = "redis"
BROKER: Final = "broker"


class FaultKind(StrEnum):
    KILL = "kill"
    """SIGKILL, and started again after `hold_ms`. Of Redis the tail of its file is cut too, and a service may
    be killed with it: nobody has in mind then what that one knew last."""
    PAUSE = "pause"
    """SIGSTOP for `hold_ms`."""
    REPLACE = "replace"
    """SIGSTOP, a successor is started in the middle of `hold_ms`, then the paused one comes back."""
    DISCONNECT = "disconnect"
    """Connections are cut: the broker's, or every client's of Redis."""


Card = tuple[FaultKind, str]
"""A fault and its target."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One blow. Times in ms; `at_ms` counts from the first moment at which faults may strike.

    `patience_ms` is how long it waits for an open pair. `tail_permille` is how much of what Redis
    wrote in its last second is lost, `with_it` who is killed in the same moment, empty for nobody.
    """

    at_ms: int
    kind: FaultKind
    target: str
    hold_ms: int
    patience_ms: int
    tail_permille: int = 0
    with_it: str = ""

    @property
    def kills(self) -> bool:
        return self.kind is FaultKind.KILL

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.target}"


GAP_MS: Final = (1_200, 4_800)
DOWN_MS: Final = (0, 2_000)
BLINK_MS: Final = (0, 100)
"""A Redis that is replaced at once: nothing of it shows as an error on an idle connection."""
WITH_REDIS: Final = ("", "", "", "risk", "executor")
PAUSE_MS: Final = (200, 5_000)
REPLACE_MS: Final = (3_500, 6_000)
"""A successor needs two seconds to stand."""
PATIENCE_MS: Final = 2_500

_KILLS: Final = {"gateway": 3, "executor": 3, "risk": 2, REDIS: 5}
"""How many cards of the deck kill a process; one card for each program that is not named."""
_PAUSED: Final = ("gateway", "executor", "risk", REDIS)
_REPLACED: Final = ("gateway", "executor", "risk")
_CUT: Final = (BROKER, REDIS)


QUERIES_PER_WINDOW: Final = 26
"""What the plan may cost in the broker's sustained query limit (50 in three minutes, Kiwoom sheet 5.1),
beside the first login and the routine: more often than this nobody can reconnect, and all would wait."""
WINDOW_MS: Final = 180_000
_RECONNECTS: Final = 7
"""Queries of a login: orders and fills, cash and holdings, the day's facts."""
_COMPARES: Final = 4
"""Queries of a comparison alone, after Redis forgot or risk began anew."""


def queries_of(kind: FaultKind, target: str) -> int:
    """Return what a fault costs in queries to the broker."""
    if (kind, target) == (FaultKind.DISCONNECT, BROKER):
        return _RECONNECTS
    if kind in (FaultKind.KILL, FaultKind.REPLACE):
        return {"gateway": _RECONNECTS, REDIS: _COMPARES, "risk": _COMPARES}.get(target, 0)
    return 0


def faults_of_day(seed: int, day: int, services: Sequence[str], length_ms: int) -> tuple[Fault, ...]:
    """Return the faults of one day, in order, all of them before `length_ms`."""
    rng = Random(f"{seed}/{day}")
    faults: list[Fault] = []
    cards: list[Card] = []
    at_ms = rng.randint(*GAP_MS)
    while at_ms < length_ms:
        left = QUERIES_PER_WINDOW - sum(
            queries_of(fault.kind, fault.target) for fault in faults if fault.at_ms > at_ms - WINDOW_MS
        )
        card = _affordable(cards, left)
        if card is None:
            cards = [*_shuffled(rng, deck(services)), *dict.fromkeys(cards)]
            continue
        cards.remove(card)
        faults.append(_fault(rng, at_ms, *card))
        at_ms += rng.randint(*GAP_MS)
    return tuple(faults)


def _affordable(cards: Sequence[Card], queries: int) -> Card | None:
    """Return the card to play next; those that waited lie at the end."""
    return next((card for card in reversed(cards) if queries_of(*card) <= queries), None)


def _shuffled(rng: Random, cards: list[Card]) -> list[Card]:
    return rng.sample(cards, len(cards))


def deck(services: Sequence[str]) -> list[Card]:
    """Return every card once: (kind, target)."""
    targets = [*services, REDIS]
    kills = [(FaultKind.KILL, name) for name in targets for _ in range(_KILLS.get(name, 1))]
    pauses = [(FaultKind.PAUSE, name) for name in _PAUSED if name in targets]
    replaced = [(FaultKind.REPLACE, name) for name in _REPLACED if name in targets]
    return [*kills, *pauses, *replaced, *((FaultKind.DISCONNECT, name) for name in _CUT)]


def _fault(rng: Random, at_ms: int, kind: FaultKind, target: str) -> Fault:
    """Draws the same numbers whatever the card is, so that one card's change moves no other."""
    down, pause, replace = (rng.randint(*span) for span in (DOWN_MS, PAUSE_MS, REPLACE_MS))
    patient, tail_permille = rng.random() < 0.75, rng.randint(0, 1_000)
    blinks, blink_ms, with_it = rng.random() < 0.5, rng.randint(*BLINK_MS), rng.choice(WITH_REDIS)
    hold_ms = {FaultKind.KILL: down, FaultKind.PAUSE: pause, FaultKind.REPLACE: replace}.get(kind, 0)
    cuts = kind is FaultKind.KILL and target == REDIS
    patience_ms = PATIENCE_MS if patient else 0
    if not cuts:
        return Fault(at_ms, kind, target, hold_ms, patience_ms)
    hold_ms = blink_ms if blinks else hold_ms
    return Fault(at_ms, kind, target, hold_ms, patience_ms, tail_permille, with_it)
