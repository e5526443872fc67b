"""Entries that a reader gives up: what the dead stream keeps of each, and one alert for each stream. Pure.

Invariant: however many entries a reader gives up, people hear of one stream in one alert. It counts them and
is told again at growing intervals while the count grows. It is never told to be over: what was given up stays
given up until a person has looked, and the notifier repeats the alert until one acknowledges it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import NoEnvelope, Unreadable
from services.contracts.limits import BURIED_TEXT_BYTES, NS_PER_S
from services.contracts.messages.alerts import AlertRaised, Fact
from services.contracts.messages.control import StopRequested, SymbolPauseRequested
from services.contracts.messages.dead import EntryBuried
from services.contracts.streams import STOPS, stream_of
from services.contracts.terms import Severity
from services.runtime.bus import Entry

AGAIN_NS: Final = 2 * NS_PER_S
AGAIN_MOST_NS: Final = 300 * NS_PER_S
"""A growing count is told after 2, 4, 8 s and so on, at last every five minutes."""
QUIET_NS: Final = 60 * NS_PER_S
"""After so long without one the next entry is told at once again."""
PROBLEM_CHARS: Final = 300
SAMPLES: Final = 100
"""So much of a flood of junk is kept one by one."""
_STOPS: Final = (StopRequested.__name__.encode(), SymbolPauseRequested.__name__.encode())
_PAIR_ID: Final = re.compile(r'"pair_id"\s*:\s*"([^"]{1,80})"')


def burial(service: str, entry: Entry, reason: str, tries: int) -> EntryBuried:
    """Return what the dead stream keeps of an entry: of a longer one the beginning, length and hash."""
    text, size, digest = entry.raw, entry.whole_bytes, entry.sha256
    if not size and len(text) > BURIED_TEXT_BYTES:
        size, digest = len(text), hashlib.sha256(text).hexdigest()
    return EntryBuried(
        stream_key=entry.key, entry_id=entry.entry_id, service=service, reason=reason[:PROBLEM_CHARS],
        tries=tries, text=text[:BURIED_TEXT_BYTES].decode(errors="replace"), whole_bytes=size,
        sha256=digest,
    )  # fmt: skip


def junk_of(entry: Entry) -> str:
    """Return why no build of ours has written an entry, empty where one may have."""
    try:
        entry.decoded()
    except NoEnvelope as problem:
        return str(problem)
    except Unreadable:
        pass
    return ""


def alert_id_of(service: str, stream_key: str) -> str:
    """Return the id of the one alert about entries of a stream that `service` gave up.

    >>> alert_id_of("gateway", "{arb}:commands:main")
    'dead-gateway-commands-main'
    """
    found = stream_of(stream_key)
    names = (stream_key,) if found is None else (found[0].name, found[1])
    return "-".join(name for name in ("dead", service, *names) if name)


@dataclass(frozen=True, slots=True)
class Spell:
    """Entries of one stream that this process gave up, `in_a_row` those with no quiet between them.

    `pair_id` is the pair that the last of the row named.
    """

    count: int
    in_a_row: int
    last_ns: int
    entry_id: str
    problem: str
    pair_id: str = ""
    told: int = 0
    tell_at_ns: int = 0
    again_ns: int = AGAIN_NS


@dataclass(frozen=True, slots=True)
class Burials:
    """What one reader gave up, by stream key."""

    service: str
    spells: Mapping[str, Spell] = field(default_factory=dict)

    def count(self, stream_key: str) -> int:
        """Return how many entries of a stream were given up lately."""
        spell = self.spells.get(stream_key)
        return 0 if spell is None else spell.in_a_row

    def is_flooded(self, entry: Entry) -> bool:
        """Whether an entry that is no message is only counted: it names nothing, and many came before it."""
        return self.count(entry.key) >= SAMPLES and not _may_name(entry)

    def after(self, buried: EntryBuried, now_ns: int) -> "Burials":
        """Return this with one more entry given up."""
        named = _PAIR_ID.search(buried.text)
        return self.counted(
            buried.stream_key, buried.entry_id, buried.reason, now_ns, named[1] if named else ""
        )

    def counted(
        self, stream_key: str, entry_id: str, problem: str, now_ns: int, pair_id: str = ""
    ) -> "Burials":
        """Return this with one more entry given up, of which nothing else is kept."""
        spell = self.spells.get(stream_key) or Spell(0, 0, now_ns, "", "", tell_at_ns=now_ns)
        spell = replace(
            spell, count=spell.count + 1, in_a_row=spell.in_a_row + 1, last_ns=now_ns, entry_id=entry_id,
            problem=problem, pair_id=pair_id or spell.pair_id,
        )  # fmt: skip
        return replace(self, spells={**self.spells, stream_key: spell})

    def told(self, now_ns: int) -> tuple["Burials", tuple[AlertRaised, ...]]:
        """Return the alerts that are due, and this with them told."""
        spells: dict[str, Spell] = {}
        alerts: list[AlertRaised] = []
        for key, spell in self.spells.items():
            quiet = now_ns - spell.last_ns >= QUIET_NS
            after = spell
            if spell.count > spell.told and (quiet or now_ns >= spell.tell_at_ns):
                alerts.append(self._alert(key, spell))
                after = _told(spell, now_ns)
            if quiet and spell.in_a_row:
                after = replace(after, in_a_row=0, pair_id="", tell_at_ns=now_ns, again_ns=AGAIN_NS)
            spells[key] = after
        return (self if spells == self.spells else replace(self, spells=spells)), tuple(alerts)

    def _alert(self, key: str, spell: Spell) -> AlertRaised:
        facts: dict[str, Fact] = {
            "service": self.service, "stream": key, "count": spell.count, "entry": spell.entry_id,
            "problem": spell.problem,
        }  # fmt: skip
        return raised(
            AlertCode.DEAD_LETTER, alert_id_of(self.service, key), Severity.CRITICAL, facts,
            pair_id=spell.pair_id,
        )  # fmt: skip


def _may_name(entry: Entry) -> bool:
    """Whether a core may find something in an entry that is no message: a stop, elsewhere a pair."""
    if entry.key == STOPS.key:
        return any(stop in entry.raw for stop in _STOPS)
    return entry.raw.startswith(b"{")


def _told(spell: Spell, now_ns: int) -> Spell:
    again_ns = min(2 * spell.again_ns, AGAIN_MOST_NS)
    return replace(spell, told=spell.count, tell_at_ns=now_ns + spell.again_ns, again_ns=again_ns)
