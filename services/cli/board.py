"""The board: what is known of the running system, built from what it says of itself.

Pure: `seen` takes an envelope and returns the new board. It owns no truth; each figure is the
newest one of the service that owns it, with its age, and a service that fell silent shows as stale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.cli.wording import Tone, sentence, tone
from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, Message
from services.contracts.in_force import Reference
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import (
    AlertAcknowledged,
    LatchCleared,
    LatchSet,
    ReferencePublished,
    TradingStateChanged,
)
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualMarked, ResidualOpened
from services.contracts.messages.status import (
    DetectorStatus,
    ExecutorStatus,
    GatewayStatus,
    Heartbeat,
    NotifierStatus,
    RiskStatus,
    SpreadSeen,
)
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    EntryWindowChanged,
    FeedLivenessChanged,
    SessionPhaseChanged,
)
from services.contracts.streams import ALERTS, CONTROL, ORDERS, PAIRS, STATUS, STOPS, VENUE, key_of
from services.contracts.terms import SessionPhase, Severity, TradingState, Venue
from services.market.dates import time_text

STALE_NS: Final = 5 * HEARTBEAT_MS * NS_PER_MS
EVENTS_KEPT: Final = 50
ALERTS_KEPT: Final = 600
CLOSED_KEPT: Final = 50
TAIL: Final = 1_000
"""So much of each stream's end tells what happened lately. How things are is read from what services keep."""
GONE_NS: Final = 24 * 3_600 * NS_PER_S
"""A service that has not beaten for so long is no part of the system any more."""

BOARD_KEYS: Final = tuple(key_of(stream) for stream in (STATUS, STOPS, CONTROL, VENUE, PAIRS, ORDERS, ALERTS))
"""What a board follows. Ticks are not among them: detectors report the best spreads."""


@dataclass(frozen=True, slots=True)
class HappenedLine:
    at_ns: int
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """One service's last heartbeat, when it was made (Redis time), and messages handled a second."""

    beat: Heartbeat
    at_ns: int
    per_second: float = 0.0

    def age_ms(self, now_ns: int) -> int:
        return max(0, now_ns - self.at_ns) // NS_PER_MS

    def is_stale(self, now_ns: int) -> bool:
        """Whether it may be dead. A stamp of the future, after a clock was set back, tells nothing."""
        return abs(now_ns - self.at_ns) > STALE_NS


@dataclass(frozen=True, slots=True)
class Word:
    """The last status that a service told of itself, and when it was made (Redis time)."""

    message: Message
    at_ns: int


@dataclass(frozen=True, slots=True)
class SupervisorSeen:
    """What the gateway's supervisor said last, and when (Redis time)."""

    status: SupervisorStatus
    at_ns: int

    def words(self, now_ns: int) -> str:
        """Say how the gateway's process is, empty where all is as it should be."""
        status = self.status
        if now_ns - self.at_ns > STALE_NS:
            return "the gateway's supervisor is silent: nobody watches the gateway"
        named = f": {status.halt_file}" if status.halt_file else ""
        halt = f"; HALT file laid by the {status.halt}{named}" if status.halt != "nobody" else ""
        windows = f"; a window waits for a person: {', '.join(status.windows)}" if status.windows else ""
        plain = status.phase in ("running", "resting") and not halt and not windows and not status.ends
        if plain:
            return ""
        ends = f"; {status.ends} unplanned ends lately, the last: {status.last_end}" if status.ends else ""
        return f"the gateway's supervisor: {status.phase.replace('_', ' ')}{halt}{windows}{ends}"


@dataclass(frozen=True, slots=True)
class Board:
    """The newest of everything. Dictionaries are replaced, never changed in place."""

    services: dict[str, ServiceSeen] = field(default_factory=dict)
    last_words: dict[str, Word] = field(default_factory=dict)
    """The last status of each service, by its name, however old: `silence` judges its age."""
    gateway: GatewayStatus | None = None
    risk: RiskStatus | None = None
    executor: ExecutorStatus | None = None
    notifier: NotifierStatus | None = None
    supervisor: SupervisorSeen | None = None
    detectors: dict[str, DetectorStatus] = field(default_factory=dict)
    phases: dict[Venue, SessionPhase] = field(default_factory=dict)
    window: EntryWindowChanged | None = None
    connection: ConnectionChanged | None = None
    feeds: dict[Venue, bool] = field(default_factory=dict)
    reconciled: ReconciliationCompleted | None = None
    account: AccountReported | None = None
    reference: Reference | None = None
    reference_hash: str = ""
    trading: TradingStateChanged | None = None
    trading_ns: int = 0
    latches: frozenset[str] = frozenset()
    open_pairs: dict[str, PairApproved] = field(default_factory=dict)
    stranded: dict[str, ResidualMarked] = field(default_factory=dict)
    closed: tuple[PairClosed, ...] = ()
    alerts: dict[str, AlertRaised] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()
    events: tuple[HappenedLine, ...] = ()

    @property
    def state(self) -> TradingState | None:
        """The trading state as risk says, None before it said anything."""
        if self.risk is not None:
            return self.risk.state
        return None if self.trading is None else self.trading.state

    @property
    def risk_last(self) -> RiskStatus | None:
        """What risk said last, however old that is."""
        said = self.last_words.get("risk")
        return said.message if said is not None and isinstance(said.message, RiskStatus) else None

    @property
    def executor_last(self) -> ExecutorStatus | None:
        """What the executor said last, however old that is."""
        said = self.last_words.get("executor")
        return said.message if said is not None and isinstance(said.message, ExecutorStatus) else None

    @property
    def stop_count(self) -> int:
        """The count of stops behind the state that is shown, -1 before risk said any: what a person who
        looks at this board has been shown."""
        risk = self.risk_last
        if risk is not None:
            return risk.stop_count
        return -1 if self.trading is None else self.trading.stop_count

    @property
    def last_stop(self) -> str:
        """Who stopped last, when and why; empty where nobody did."""
        stop = None if self.risk_last is None else self.risk_last.last_stop
        return "" if stop is None else f"{stop.by} {stop.what} at {time_text(stop.at_ns)}: {stop.reason}"

    def best_spreads(self, count: int) -> tuple[SpreadSeen, ...]:
        """The widest spreads of all groups, best first."""
        spreads = [spread for status in self.detectors.values() for spread in status.spreads]
        return tuple(sorted(spreads, key=lambda s: s.net_edge_bps, reverse=True)[:count])

    def open_alerts(self) -> tuple[AlertRaised, ...]:
        """Alerts that last and that nobody has acknowledged, oldest first."""
        return tuple(alert for name, alert in self.alerts.items() if name not in self.acknowledged)

    def builds(self, now_ns: int) -> frozenset[str]:
        """The builds of the services that are alive."""
        return frozenset(s.beat.build_id for s in self.services.values() if not s.is_stale(now_ns))

    def alive(self, service: str, now_ns: int) -> bool:
        seen = self.services.get(service)
        return seen is not None and not seen.is_stale(now_ns)


def board_of(envelopes: Iterable[Envelope], now_ns: int) -> Board:
    """Return the board of what was said, in the order in which Redis took it, as it stands at `now_ns`."""
    board = Board()
    for envelope in envelopes:
        board = seen(board, envelope)
    return _without_gone(board, now_ns)


def with_alerts(
    board: Board, lasting: Mapping[str, AlertRaised], taken: Iterable[str], news: Iterable[Message]
) -> Board:
    """Return the board with the alerts that the notifier holds as open, and with what it has yet to read.

    `taken` are the ids of those that somebody acknowledged.
    """
    board = replace(board, alerts=dict(lasting), acknowledged=frozenset(taken))
    for message in news:
        board = _CHANGES[type(message)](board, message, 0)
    return board


def _without_gone(board: Board, now_ns: int) -> Board:
    services = {name: item for name, item in board.services.items() if now_ns - item.at_ns < GONE_NS}
    return replace(board, services=services)


def seen(board: Board, envelope: Envelope) -> Board:
    """Return the board after one message. What it does not know changes nothing."""
    message = envelope.body
    told = _is_told(message, board)
    change = _CHANGES.get(type(message))
    if change is not None:
        board = change(board, message, envelope.ts_init_ns)
    if not told:
        return board
    line = HappenedLine(envelope.ts_init_ns, sentence(message), tone(message))
    return replace(board, events=(*board.events, line)[-EVENTS_KEPT:])


def _is_told(message: Message, before: Board) -> bool:
    """Whether the board tells of a message.

    Not of alerts that repeat what another message says, nor of the end of a trouble never told.
    """
    if isinstance(message, AlertRaised):
        known = not message.resolved or message.alert_id in before.alerts
        return known and not repeats_another(message)
    return isinstance(message, _TOLD)


def repeats_another(alert: AlertRaised) -> bool:
    """Whether another message says the same with more; never of what needs a person now."""
    if alert.severity is Severity.CRITICAL:
        return False
    return alert.severity is Severity.INFO or alert.kind is AlertKind.RESIDUAL


_TOLD: Final = (
    PairApproved, PairClosed, ResidualOpened, ResidualMarked, TradingStateChanged, LatchSet, LatchCleared,
    SessionPhaseChanged, EntryWindowChanged, ConnectionChanged, AlertAcknowledged,
)  # fmt: skip


_STATES: Final = frozenset({AlertCode.STATE_LOWERED, AlertCode.STATE_CHANGED})
"""Each change of the trading state is an alert of its own, and what an earlier one says is over with it."""


def _beat(board: Board, message: Heartbeat, at_ns: int) -> Board:
    before = board.services.get(message.service)
    per_second = 0.0
    if before is not None and before.beat.instance == message.instance and at_ns > before.at_ns:
        per_second = (message.handled - before.beat.handled) * NS_PER_S / (at_ns - before.at_ns)
    return replace(
        board, services={**board.services, message.service: ServiceSeen(message, at_ns, per_second)}
    )


def _spoken(board: Board, service: str, message: Message, at_ns: int, **changes: Any) -> Board:
    last_words = {**board.last_words, service: Word(message, at_ns)}
    return replace(board, last_words=last_words, **changes)


def _gateway(board: Board, message: GatewayStatus, at_ns: int) -> Board:
    phases = {**board.phases, **message.phases}
    return _spoken(board, "gateway", message, at_ns, gateway=message, phases=phases)


def _detector(board: Board, message: DetectorStatus, at_ns: int) -> Board:
    detectors = {**board.detectors, message.group: message}
    return _spoken(board, f"detector-{message.group}", message, at_ns, detectors=detectors)


def _risk(board: Board, message: RiskStatus, at_ns: int) -> Board:
    return _spoken(board, "risk", message, at_ns, risk=message, latches=frozenset(message.latches))


def _notifier(board: Board, message: NotifierStatus, at_ns: int) -> Board:
    return _spoken(board, "notifier", message, at_ns, notifier=message)


def _executor(board: Board, message: ExecutorStatus, at_ns: int) -> Board:
    """A position that it names no more is not stranded any more."""
    named = {pair.pair_id for pair in message.stranded}
    stranded = {name: mark for name, mark in board.stranded.items() if name in named}
    return _spoken(board, "executor", message, at_ns, executor=message, stranded=stranded)


def _phase(board: Board, message: SessionPhaseChanged, at_ns: int) -> Board:
    return replace(board, phases={**board.phases, message.venue: message.phase})


def _feed(board: Board, message: FeedLivenessChanged, at_ns: int) -> Board:
    return replace(board, feeds={**board.feeds, message.venue: message.alive})


def _reference(board: Board, message: ReferencePublished, at_ns: int) -> Board:
    return replace(board, reference=message.reference, reference_hash=message.reference_hash)


def _trading(board: Board, message: TradingStateChanged, at_ns: int) -> Board:
    """Newer than the last status: state and count of stops are shown together or not at all."""
    board = replace(board, trading=message, trading_ns=at_ns, latches=frozenset(message.latches))
    said, risk = board.last_words.get("risk"), board.risk_last
    if said is None or risk is None:
        return board
    news = {"state": message.state, "stop_count": message.stop_count, "last_stop": message.last_stop}
    risk = risk.model_copy(update=news)
    return _spoken(board, "risk", risk, said.at_ns, risk=risk)


def _approved(board: Board, message: PairApproved, at_ns: int) -> Board:
    """A Redis that lost an approval is told it again, perhaps when its pair is over."""
    if any(message.pair_id == over.pair_id for over in board.closed):
        return board
    return replace(board, open_pairs={**board.open_pairs, message.pair_id: message})


def _closed(board: Board, message: PairClosed, at_ns: int) -> Board:
    without = {name: pair for name, pair in board.open_pairs.items() if name != message.pair_id}
    stranded = {name: mark for name, mark in board.stranded.items() if name != message.pair_id}
    closed = (*board.closed, message)[-CLOSED_KEPT:]
    return replace(board, open_pairs=without, stranded=stranded, closed=closed)


def _marked(board: Board, message: ResidualMarked, at_ns: int) -> Board:
    return replace(board, stranded={**board.stranded, message.pair_id: message})


def _alert(board: Board, message: AlertRaised, at_ns: int) -> Board:
    over = {message.alert_id}
    if message.code in _STATES:
        over |= {name for name, alert in board.alerts.items() if alert.code in _STATES}
    others = {name: alert for name, alert in board.alerts.items() if name not in over}
    if not message.resolved:
        others[message.alert_id] = message
    return replace(board, alerts=dict(list(others.items())[-ALERTS_KEPT:]))


def _acknowledged(board: Board, message: AlertAcknowledged, at_ns: int) -> Board:
    return replace(board, acknowledged=board.acknowledged | {message.alert_id})


_CHANGES: Final[dict[type[Message], Any]] = {
    Heartbeat: _beat,
    GatewayStatus: _gateway,
    DetectorStatus: _detector,
    RiskStatus: _risk,
    ExecutorStatus: _executor,
    NotifierStatus: _notifier,
    SupervisorStatus: lambda board, message, at_ns: replace(board, supervisor=SupervisorSeen(message, at_ns)),
    SessionPhaseChanged: _phase,
    EntryWindowChanged: lambda board, message, at_ns: replace(board, window=message),
    ConnectionChanged: lambda board, message, at_ns: replace(board, connection=message),
    FeedLivenessChanged: _feed,
    ReconciliationCompleted: lambda board, message, at_ns: replace(board, reconciled=message),
    AccountReported: lambda board, message, at_ns: replace(board, account=message),
    ReferencePublished: _reference,
    TradingStateChanged: _trading,
    LatchSet: lambda board, message, at_ns: replace(board, latches=board.latches | {message.latch}),
    LatchCleared: lambda board, message, at_ns: replace(board, latches=board.latches - {message.latch}),
    PairApproved: _approved,
    PairClosed: _closed,
    ResidualMarked: _marked,
    AlertRaised: _alert,
    AlertAcknowledged: _acknowledged,
}
