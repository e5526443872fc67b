"""What the gateway knows, and which of it survives a restart.

Stored: orders that may still fill, commands that wait, the state in force, the broker's query
history, the connection's epoch, the day's limits. Orders that are over live in the log of
intentions and at the broker; books live nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from services.contracts.dated import DateFinding
from services.contracts.in_force import Reference
from services.contracts.messages.orders import CommandDenied
from services.contracts.messages.venue_state import ConnectionState, PriceBand
from services.contracts.step import Outgoing, State
from services.contracts.terms import GatewayMode, Symbol, TradingDate, TradingState, Venue
from services.contracts.trading_word import TradingWord
from services.gateway.effects import Effect
from services.gateway.exchange_time import Doubt
from services.gateway.intention_log import Line
from services.gateway.lease import Lease
from services.gateway.limiter import History
from services.gateway.order_queue import Queue, Waiting
from services.gateway.order_table import OrderRecord, OrderTable
from services.gateway.over_night import OverNight
from services.gateway.query_desk import Ask, QueryDesk
from services.gateway.session_desk import NO_DATE, SessionDesk
from services.gateway.settings import GatewaySettings
from services.gateway.subscriptions import Refused, Registration, Unheard
from services.gateway.vi_halts import HaltBoard, Interruptions
from services.market.files import MarketRules
from services.market.phases import PhaseTracker


@dataclass(frozen=True, slots=True)
class Control:
    """What people and risk have said. `flatten` are the symbols that a person ordered to be sold, the empty
    text for all; a later stop that forbids sells ends it. `paused` says of each symbol that a person paused
    when (Redis time)."""

    word: TradingWord = field(default_factory=TradingWord)
    flatten: frozenset[str] = frozenset()
    paused: Mapping[Symbol, int] = field(default_factory=dict)

    @property
    def in_force(self) -> TradingState:
        return self.word.in_force


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What the broker says of the day; `read` are the symbols that master data was read for. `funds` is
    None until the broker's list of funds was read.

    `bands` were asked for at `limits_ns` (Redis time) or later. `unbanded` are the symbols of the map that
    the last answer left without, asked for at `unbanded_ns`; `unbanded_looks` counts such answers in a row.
    `blank` says since when the control leaves an answer blank, by symbol, and by the empty text for the list
    of NXT; 0 while that counts for nothing.
    """

    nxt_eligible: frozenset[Symbol] = frozenset()
    warnings: frozenset[Symbol] = frozenset()
    funds: frozenset[Symbol] | None = None
    bands: Mapping[Symbol, PriceBand] = field(default_factory=dict)
    limits_ns: int = 0
    read: frozenset[Symbol] = frozenset()
    unbanded: frozenset[Symbol] = frozenset()
    unbanded_ns: int = 0
    unbanded_looks: int = 0
    blank: Mapping[Symbol, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to the broker. Since it began stream and broker were compared (`reconciled`), and VI
    frames were switched on (`watched`)."""

    state: ConnectionState = ConnectionState.DISCONNECTED
    since_ns: int = 0
    planned: bool = False
    account: str = ""
    reconciled: bool = False
    watched: bool = False
    connect_at_ns: int = 0
    login_tries: int = 0
    orders_restricted: bool = False
    orders_pause_ns: int = 0
    orders_not_before_ns: int = 0
    queries_pause_ns: int = 0
    """How long no query is asked because the broker restricts them; 0 where it does not."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Holdings that our orders of the day do not explain, as they were when they were told as a difference.

    `told_ns` is Redis time: who spoke before it has not seen it.
    """

    told_ns: int
    unexplained: Mapping[Symbol, int]


@dataclass(frozen=True, slots=True)
class Look:
    """A look at orders and account that rests on a blank or an empty answer.

    Begun at `begun_ns` (Redis time).

    `looks` counts those in a row; `told` is whether they count as differences, `asks` what it asked.
    """

    begun_ns: int
    connection_epoch: int
    differences: tuple[str, ...]
    looks: int
    told: bool
    asks: tuple[Ask, ...] = ()


@dataclass(frozen=True, slots=True)
class DateView:
    """How well a date is known, and what that was judged by."""

    date: TradingDate = NO_DATE
    rules: MarketRules | None = None
    reference: Reference | None = None
    nxt_eligible: frozenset[Symbol] | None = None
    findings: tuple[DateFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When things were last done, and what was last seen, for what repeats."""

    status_ns: int = 0
    reconciled_ns: int = 0
    moved_ns: int = 0
    account_ns: int = 0
    final_account: str = ""
    rotated_ns: int = 0
    turn: int = 0
    facts_ns: int = 0
    facts_turn: int = 0
    shut_ns: Mapping[Venue, int] = field(default_factory=dict)
    shut_told: frozenset[Venue] = frozenset()
    log_fails: bool = False
    log_unkept: bool = False
    misfit_ns: int = 0
    misfit_told: bool = False
    feeds_wait: bool = False
    empty_ns: int = 0
    empty_counts: bool = False
    halt_file: bool = False
    halt_entry: str = ""
    halt_why: str = ""
    queries_scarce: bool = False
    alive: Mapping[Venue, bool] = field(default_factory=dict)
    books_due_ns: Mapping[Venue, int] = field(default_factory=dict)
    feeds_told: frozenset[Venue] = frozenset()
    listened_ns: int = 0
    unheard: Mapping[str, Unheard] = field(default_factory=dict)
    """By the registered code."""
    books_told: frozenset[Venue] = frozenset(Venue)
    """Venues with an open alert for such codes; at the start each may have one of the process before."""
    orders_in_window_max: int = 0
    orders_sent: int = 0
    order_calls: int = 0


class GatewayState(State):
    """Shapes are those of the modules that own them; `rules`, `clock` and `settings` are configuration."""

    DURABLE: ClassVar[frozenset[str]] = frozenset(
        {"working", "queue", "control", "reference", "connection_epoch", "query_history", "order_history",
         "trading_date", "baseline", "baseline_ns", "baseline_open", "difference", "facts", "carried",
         "over_night", "claimed", "account",
         "interruptions", "tables_told", "refused", "log_gone", "logged_intents", "reference_hash"}
    )  # fmt: skip

    settings: GatewaySettings
    rules: MarketRules
    clock: Any
    session: SessionDesk
    working: Mapping[str, OrderRecord] = {}
    queue: Queue = ()
    control: Control = Control()
    reference: Reference | None = None
    reference_hash: str = ""
    """That of `reference` as risk published it: the lease is held against it at each entry."""
    connection_epoch: int = 0
    query_history: History = ()
    order_history: History = ()
    trading_date: TradingDate = TradingDate("")
    baseline: Mapping[Symbol, int] | None = None
    """Holdings of the account that our orders of the day do not explain."""
    baseline_ns: int = 0
    """When it was first taken (Redis time), 0 before. Of others' orders it holds what was over by then."""
    baseline_open: Mapping[str, int] | None = None
    """What orders that are not ours had filled when it was taken, by number; None once a whole comparison has
    held it against what was told of them later."""
    difference: Difference | None = None
    """What was last told of them as a difference, until a comparison finds none."""

    look: Look | None = None
    unread: Mapping[str, int] = {}
    """Numbers of orders, and places for those without, whose rows cannot be read in a ready session, since
    which query (its begin, Redis time)."""
    interruptions: Interruptions = ()
    account: str = ""
    """Whose order truth this is; empty before the first login."""
    logs: tuple[Sequence[Line], Sequence[Line]] = ((), ())
    """The logs of intentions of this date and of the one before, until the login says of which account."""
    carried: Mapping[str, int] = {}
    """Shares by pair that were bought on earlier dates and not sold when this one began."""
    over_night: OverNight = OverNight()
    claimed: frozenset[str] = frozenset()
    """Pairs of which a person sold by hand what they held."""

    tables_told: frozenset[str] = frozenset()
    """Dated tables whose coming end was told: who told of it has to tell that it is over."""

    dates: DateView = DateView()
    orders: OrderTable = OrderTable()
    desk: QueryDesk = QueryDesk()
    link: Link = Link()
    lease: Lease = Lease()
    halts: HaltBoard = HaltBoard()
    facts: DayFacts = DayFacts()
    registered: tuple[Registration, ...] = ()
    refused: Mapping[str, Refused] = {}
    """Screens whose registration the control refused: they have no feed until it takes them, on whichever
    connection."""
    calling: Waiting | None = None
    """The command whose SendOrder is being made, one at a time: it comes back to the queue after -308."""
    superseded: frozenset[str] = frozenset()
    denied: Mapping[str, CommandDenied] = {}
    """The newest orders we refused: an id that was refused once is never sent."""
    cancelling: Mapping[str, tuple[int, int]] = {}
    """Own cancels of the gateway by target: (how many, when last)."""
    left_over: tuple[str, ...] = ()
    """Orders that a sweep did not get back before their session ended."""
    rejecting: Mapping[str, int] = {}
    """Orders whose answer had no number, waiting for the broker's text since then."""
    texts: Mapping[str, str] = {}
    stale_orders: tuple[str, ...] = ()
    """Orders of an earlier date that were never seen to close, until they have been told."""
    earlier: Mapping[str, OrderRecord] = {}
    """Orders that may have left on the date before this one, by id: never sent again, never denied."""
    rhythm: Rhythm = Rhythm()
    doubts: Mapping[Venue, Doubt | None] = {}
    """By venue, whether its time stamps have parted from Redis time; no entry before the first frame."""
    screen_turn: int = 0
    log_gone: bool = False
    """Whether the log of intentions was lost while it was open: no entry until a process has read it."""
    logged_intents: int = 0
    """How many intentions of the date the log holds, as far as this was stored: it may hold more."""
    strange_words: Mapping[tuple[str, str], int] = {}
    """How often the broker used a word that no closed list has, by list and word."""


@dataclass(frozen=True, slots=True)
class GatewayStep:
    """The new state, what is to be written, and what is to be done, both in order."""

    state: GatewayState
    out: tuple[Outgoing, ...] = ()
    effects: tuple[Effect, ...] = ()


def initial_state(settings: GatewaySettings, rules: MarketRules, clock: Any) -> GatewayState:
    """Return the state before the first moment. Live, only confirmed kinds of order are used."""
    if settings.mode is GatewayMode.LIVE:
        rules = replace(rules, hoga=rules.hoga.confirmed())
    session = SessionDesk(
        PhaseTracker(rules.fid215), settings.guard_after_open_s, settings.guard_before_pause_s
    )
    return GatewayState(settings=settings, rules=rules, clock=clock, session=session)
