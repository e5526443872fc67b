"""Ending trading before processes are ended: entries stop first, then a look at what is open and who says so.

A stop is written without a look at anything. What is open counts from what was said after the stop was taken
in; what nobody alive said since then is not known, and is named.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

from services.cli.board import STALE_NS
from services.cli.faults import Fault
from services.cli.link import Link, open_link
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.status import ExecutorStatus, RiskStatus
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.said import SAID, said_field
from services.contracts.streams import STOPS, key_of
from services.contracts.terms import TradingState
from services.runtime.bus import BusUnavailable
from services.runtime.standing import entry_order

ANSWER_S: Final = 4.0
"""Positions are committed each second: whoever lives has shown by then that it took the stop in."""
POLL_S: Final = 0.2
TAKERS: Final = ("gateway", "risk", "executor")
RESTING: Final = "resting"
MessageT = TypeVar("MessageT", bound=Message)
NOTHING_OPEN: Final = "Entries are stopped, and nothing is open."


@dataclass(frozen=True, slots=True)
class Trading:
    """How trading stands after the stop: a sentence for each thing that is open, or that is not known."""

    open: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return not self.open and not self.unknown

    def lines(self) -> list[str]:
        """Return what there is to tell, a line each; `deploy/down.sh` reads how they begin."""
        if self.ended:
            return [NOTHING_OPEN]
        return [
            *(f"open: {words}" for words in self.open),
            *(f"not known: {words}" for words in self.unknown),
        ]


def wind_down(redis_url: str, by: str, reason: str, settle_s: float) -> Trading:
    """Stop entries, and wait up to `settle_s` seconds for open pairs to come to their end.

    Never raises for what Redis or a service does: what could not be learned is part of the answer.
    """
    try:
        link = open_link(redis_url)
    except Fault as fault:
        return Trading(unknown=(f"entries could not be stopped, nor what is open: {fault.what}",))
    try:
        return _wound_down(link, by, reason, settle_s)
    except BusUnavailable as error:
        return Trading(unknown=(f"whether entries are stopped, and what is open: {error}",))
    finally:
        link.close()


def _wound_down(link: Link, by: str, reason: str, settle_s: float) -> Trading:
    link.append(StopRequested(target=TradingState.PAUSE_ENTRY, by=by, reason=reason), cause=f"down-{uuid4()}")
    stop_id = link.bus.tail(key_of(STOPS), 1)[-1].entry_id
    began_s = time.monotonic()
    taken_ns: dict[str, int] = {}
    while True:
        passed_s = time.monotonic() - began_s
        seen = _Seen.of(link, stop_id, taken_ns)
        taken_ns = {name: taken_ns.get(name, seen.now_ns) for name in seen.taken}
        trading = seen.trading()
        waits = settle_s if trading.open else 0.0
        if trading.ended or passed_s > (max(ANSWER_S, waits) if trading.unknown else waits):
            return trading
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What services said last, and who has read past the stop."""

    said: dict[str, Envelope]
    """The newest of each kind, by the field that keeps it."""
    taken: frozenset[str]
    taken_ns: Mapping[str, int]
    """When each service was first seen to have taken the stop in (Redis time, ns)."""
    now_ns: int

    @classmethod
    def of(cls, link: Link, stop_id: str, taken_ns: Mapping[str, int]) -> "_Seen":
        said = {said_field(envelope.body): envelope for envelope in link.bus.said()}
        positions = {name: link.bus.positions(name).get(STOPS.key, "0-0") for name in TAKERS}
        taken = (name for name, at in positions.items() if entry_order(at) >= entry_order(stop_id))
        return cls(said, frozenset(taken), taken_ns, link.bus.time_ns())

    def trading(self) -> Trading:
        return Trading(self._open(), (*self._silent(), *self._unsaid()))

    def _open(self) -> tuple[str, ...]:
        """Open pairs by the executor's last words, however old; else as many as risk counts now."""
        executor, risk = self._body(ExecutorStatus), self._body(RiskStatus)
        old = "" if self._is_new(ExecutorStatus) else f", as the executor said {self._age('executor')}"
        if executor is not None and executor.pairs:
            return tuple(
                f"pair {pair.pair_id} of {pair.symbol}, {pair.state}{old}" for pair in executor.pairs
            )
        if risk is not None and self._is_new(RiskStatus) and risk.open_pairs:
            return (f"{risk.open_pairs} pairs by the count of risk",)
        return ()

    def _silent(self) -> tuple[str, ...]:
        return tuple(
            f"whether {name} took the stop in: it was last heard {self._age(name)}"
            for name in TAKERS
            if name not in self.taken and not (name == "gateway" and self._gateway_rests())
        )

    def _gateway_rests(self) -> bool:
        """Whether its supervisor, alive, says that it does not run: as by night."""
        return any(
            isinstance(body := envelope.body, SupervisorStatus)
            and body.phase == RESTING
            and abs(self.now_ns - envelope.ts_init_ns) < STALE_NS
            for envelope in self.said.values()
        )

    def _unsaid(self) -> tuple[str, ...]:
        lines = []
        if not self._is_new(ExecutorStatus):
            lines.append(f"what is open: the executor was last heard {self._age('executor')}")
        if not self._is_new(RiskStatus):
            age = self._age("risk")
            lines.append(f"whether a pair was approved that nobody has begun: risk was last heard {age}")
        state = self._body(TradingStateChanged)
        if "risk" in self.taken and (state is None or state.state is TradingState.ARMED):
            lines.append("whether entries are stopped: risk does not say so")
        return tuple(lines)

    def _is_new(self, kind: type[Message]) -> bool:
        """Whether its service said it after it took the stop in. A stamp of the future, of a clock set back,
        tells nothing."""
        envelope = self.said.get(f"{SAID}{kind.__name__}")
        if envelope is None or envelope.source not in self.taken_ns:
            return False
        return self.taken_ns[envelope.source] < envelope.ts_init_ns < self.now_ns + STALE_NS

    def _body(self, kind: type[MessageT]) -> MessageT | None:
        envelope = self.said.get(f"{SAID}{kind.__name__}")
        return envelope.body if envelope is not None and isinstance(envelope.body, kind) else None

    def _age(self, service: str) -> str:
        beat = self.said.get(f"{SAID}Heartbeat:{service}")
        if beat is None:
            return "never"
        return f"{max(0, self.now_ns - beat.ts_init_ns) // NS_PER_S} s ago"
