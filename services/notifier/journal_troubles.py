"""What is wrong with the journal, as its report says it: pure but for the clock that it is given.

Holes of one stream are one trouble, and so are files that were taken: it counts, its count is told at
growing intervals, and it ends when nothing more came for `QUIET_S`. What a process has not looked at yet is
unknown to it: of that it says neither that it is wrong nor that it is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import Fact
from services.contracts.terms import Severity
from services.notifier.journal_line import Gap
from services.notifier.reported import Trouble

QUIET_S: Final = 600.0
AGAIN_S: Final = 2.0
AGAIN_MOST_S: Final = 300.0

STOPPED: Final = "journal-stopped"
ROOM: Final = "journal-disk"
LENGTHS: Final = "stream-length-"
HOLES: Final = "journal-hole-"
RESTARTED: Final = "journal-restarted"
TAKEN: Final = "journal-taken"
STRANGE: Final = "journal-key-"
POSITIONS: Final = "positions-"
EVERYTHING: Final = (STOPPED, STRANGE, POSITIONS, ROOM, LENGTHS, HOLES, RESTARTED, TAKEN)


@dataclass(frozen=True, slots=True)
class Spell:
    """Events of one kind in a row: the newest and what was told last, each with the count until then."""

    newest: Trouble
    last_s: float
    told: Trouble
    tell_at_s: float
    again_s: float = 2 * AGAIN_S

    def at(self, now_s: float) -> "Spell":
        """Return this with its newest words told, where there are new ones and it is time."""
        if self.newest.count == self.told.count or now_s < self.tell_at_s:
            return self
        again_s = min(2 * self.again_s, AGAIN_MOST_S)
        return replace(self, told=self.newest, tell_at_s=now_s + self.again_s, again_s=again_s)


class JournalTroubles:
    """All that is wrong now. Times are monotonic seconds; `began_s` is when this process began to look."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._spells: dict[str, Spell] = {}
        self._failure: tuple[Trouble, ...] | None = None
        self._strange: tuple[Trouble, ...] | None = None
        self._positions: tuple[Trouble, ...] | None = None
        self._room: tuple[Trouble, ...] | None = None
        self._lengths: tuple[Trouble, ...] | None = None

    def failed(self, failure: str, problem: str, severity: Severity) -> None:
        """`failure` is a term of the table `journal`."""
        facts: dict[str, Fact] = {"failure": failure, "problem": problem}
        self._failure = (
            Trouble(alert_id=STOPPED, severity=severity, code=AlertCode.JOURNAL_STOPPED, facts=facts),
        )

    def works(self) -> None:
        self._failure = ()

    @property
    def is_failing(self) -> bool:
        return bool(self._failure)

    def looked_at_keys(self, strange: Mapping[str, str]) -> None:
        """`strange` keys are no streams, but what the text says."""
        self._strange = tuple(
            Trouble(
                alert_id=STRANGE + key, severity=Severity.CRITICAL, code=AlertCode.JOURNAL_STOPPED,
                facts={"failure": "key", "problem": f"{key} is a {kind}"},
            )
            for key, kind in strange.items()
        )  # fmt: skip

    def looked_at_positions(self, unread: Mapping[str, str]) -> None:
        """One service whose position nobody knows holds back the trimming of every stream."""
        self._positions = tuple(
            Trouble(
                alert_id=POSITIONS + service, severity=Severity.WARNING, code=AlertCode.STATE_UNREADABLE,
                facts={"service": service, "problem": problem},
            )
            for service, problem in unread.items()
        )  # fmt: skip

    def looked_at_room(self, room: tuple[Trouble, ...]) -> None:
        self._room = room

    def looked_at_lengths(self, lengths: tuple[Trouble, ...]) -> None:
        self._lengths = lengths

    def hole(self, key: str, gap: Gap, now_s: float) -> None:
        """A hole was marked in the record of a stream, or that it began anew."""
        facts: dict[str, Fact] = {"stream": key, "after": gap.from_id, "before": gap.to_id}
        if gap.restarted:
            self._happened(RESTARTED, AlertCode.JOURNAL_RESTARTED, facts, now_s)
        else:
            self._happened(HOLES + key, AlertCode.JOURNAL_HOLE, facts, now_s)

    def taken(self, path: Path, now_s: float) -> None:
        """A file of the record was moved, deleted or changed by somebody else."""
        self._happened(TAKEN, AlertCode.JOURNAL_TAKEN, {"path": str(path)}, now_s)

    def _happened(self, alert_id: str, code: AlertCode, facts: dict[str, Fact], now_s: float) -> None:
        known = self._spells.get(alert_id)
        count = 1 if known is None else known.newest.count + 1
        newest = Trouble(
            alert_id=alert_id, severity=Severity.WARNING, code=code, count=count,
            facts={**facts, "count": count},
        )  # fmt: skip
        spell = known or Spell(newest, now_s, newest, now_s + AGAIN_S)
        self._spells[alert_id] = replace(spell, newest=newest, last_s=now_s)

    def now(self, now_s: float) -> tuple[Trouble, ...]:
        """Return what is wrong."""
        lasting = {key: spell for key, spell in self._spells.items() if now_s - spell.last_s < QUIET_S}
        self._spells = {key: spell.at(now_s) for key, spell in lasting.items()}
        known = (self._failure, self._strange, self._positions, self._room, self._lengths)
        spells = (spell.told for spell in self._spells.values())
        return (*(trouble for found in known for trouble in found or ()), *spells)

    def unknown(self, now_s: float) -> tuple[str, ...]:
        """Return how the ids of those alerts begin of which nothing is known yet."""
        looked = (
            (STOPPED, self._failure), (STRANGE, self._strange), (POSITIONS, self._positions),
            (ROOM, self._room), (LENGTHS, self._lengths),
        )  # fmt: skip
        young = (HOLES, RESTARTED, TAKEN) if now_s - self._began_s < QUIET_S else ()
        return (*(prefix for prefix, found in looked if found is None), *young)
