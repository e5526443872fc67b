"""A virtual day that stops at the first report of one invariant."""

from functools import cache
from pathlib import Path

from services.lab import invariants
from services.lab.breach import Invariant, facts_of
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import DayFaults

CONFIG = Path(__file__).resolve().parents[2] / "config"
LOOK_EVERY = 40
"""Steps between two looks at what was seen so far: one second."""


@cache
def desk() -> Desk:
    return build_desk(CONFIG)


class Reported(Exception):
    """The invariant has reported; the rest of the day says no more."""


class StoppingDay(VirtualDay):
    """Judges what its observer has seen once a second, and all at the end. `sentences` are the reports."""

    def __init__(self, desk: Desk, seed: int, faults: DayFaults | None, code: str, words: str) -> None:
        super().__init__(desk, seed, faults)
        self.sentences: list[str] = []
        self._code, self._words, self._steps = code, words, 0

    def _step(self, healed: bool) -> None:
        super()._step(healed)
        self._steps += 1
        if self._steps % LOOK_EVERY == 0:
            self._judge()

    def conclude(self) -> None:
        super().conclude()
        self._judge()

    def _judge(self) -> None:
        facts = facts_of(self.witness)
        for invariant in self._judges():
            if invariant.needs in facts:
                self.sentences += [str(b) for b in invariant(self.witness) if self._words in b.sentence]
        if self.sentences:
            raise Reported

    def _judges(self) -> list[Invariant]:
        return [invariant for invariant in invariants.INVARIANTS if invariant.code == self._code]


def reported(seed: int, faults: DayFaults | None, code: str, words: str) -> str:
    """Return what the invariant says first of a day, empty where it says nothing."""
    day = StoppingDay(desk(), seed, faults, code, words)
    try:
        day.run()
    except Reported:
        return day.sentences[0]
    return ""
