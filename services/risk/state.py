"""What risk knows. All of it is durable but the books, the heartbeats and when it last spoke."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from services.contracts.envelope import Part
from services.contracts.in_force import Reference
from services.contracts.messages.control import LimitProposal, Stopped
from services.contracts.messages.orders import AccountReported, ForeignOrderSeen, ReconciliationCompleted
from services.contracts.messages.pairs import PairClosed, PairOutcome
from services.contracts.messages.status import Heartbeat, NotifierStatus
from services.contracts.request_book import RequestBook
from services.contracts.step import State
from services.contracts.terms import GatewayMode, Latch, Symbol, TradingDate, TradingState, Venue
from services.contracts.threshold import PublishedTable
from services.contracts.trading_limits import TradingLimits
from services.market.books import Books
from services.market.crossed_markets import CrossedMarkets
from services.market.venue_view import VenueView
from services.risk.observed import FilesRead
from services.risk.pnl import Money, OrderTally, money_of, with_stated

SERVICE: Final = "risk"


class LatchHeld(Part):
    latch: Latch
    detail: str
    set_at_ns: int


class Trading(Part):
    """The trading state in force, who set it and why, and the latches that hold.

    `stop_count` and `last_stop` are what stopped last (`stops`), `stop_id` the last person's stop taken in.
    """

    state: TradingState = TradingState.DISARMED
    by: str = "risk"
    reason: str = "start"
    latches: tuple[LatchHeld, ...] = ()
    stop_count: int = 0
    stop_id: str = ""
    last_stop: Stopped | None = None

    @property
    def latched(self) -> tuple[Latch, ...]:
        return tuple(held.latch for held in self.latches)


class PairHeld(Part):
    """A pair, approved or brought back by one of its orders: what is reserved for it, and how it ended.

    `stated` is the executor's last statement of its close, None before there is one. A pair that is
    `ending` buys nothing more than what already works: it is stranded, was opened again by a fill told
    late, or its approval was lost. `claimed_shares` are what a person sold of it by hand (negative:
    bought back), `claimed_krw` what that brought. `before_krw` is what it had realised on earlier dates.
    """

    symbol: Symbol
    trading_date: TradingDate
    buy_venue: Venue
    sell_venue: Venue
    qty_shares: int
    buy_limit_krw: int
    approved_at_ns: int
    stranded: bool = False
    clip_shares: int = 0
    quoted_at_ns: int = 0
    """When the newer of the two quotes behind it came, to measure the whole way of an order; 0: not known."""
    ending: bool = False
    stated: PairClosed | None = None
    claimed_shares: int = 0
    claimed_krw: int = 0
    trip_counted: bool = False
    looked_at: bool = False
    """Whether a person lifted the latch of losing pairs after it."""
    before_krw: int = 0

    def money(self, orders: Iterable[OrderTally]) -> Money:
        """What it bought and sold, as far as its orders and its statement say."""
        own = money_of(orders)
        known = own if self.stated is None else with_stated(own, self.stated)
        if not self.claimed:
            return known
        return replace(known, claimed_shares=self.claimed_shares, claimed_krw=self.claimed_krw)

    @property
    def claimed(self) -> bool:
        """Whether a person answers for what is left of it."""
        return self.stated is not None and self.stated.outcome is PairOutcome.CLAIMED


class Account(Part):
    """The broker's last report, and our own cash flow of the day when it came (KRW)."""

    report: AccountReported
    cash_flow_krw: int


class Day(Part):
    """The tallies of one trading date. `opening_cash_krw` is the cash before our first trade on it."""

    trading_date: TradingDate = TradingDate("")
    trips: dict[Symbol, int] = Field(default_factory=dict)
    intents: int = 0
    approvals: int = 0
    denials: dict[str, int] = Field(default_factory=dict)
    opening_cash_krw: int | None = None
    losses_in_a_row: int = 0
    """Closed pairs that lost money since one that did not, or since a person looked at them."""
    best_krw: int = 0
    """The best result of the day, realised and marked."""
    carried_cost_krw: int = 0
    """What the shares had cost that were held when it began: no cash of this date."""


class Aside(Part):
    """The books of a date after which the gateway has named another one with one word only.

    `before_krw` is what each open pair had realised on earlier dates, by pair id.
    """

    day: Day
    before_krw: dict[str, int]
    closed: dict[str, PairHeld]
    settled: dict[str, OrderTally]
    settled_krw: dict[str, int]
    account: Account | None
    approved_at_ns: dict[Symbol, tuple[int, ...]]
    foreign: dict[str, ForeignOrderSeen]


class ErrorKind(StrEnum):
    """What went wrong with an order, each with a limit of its own."""

    REFUSED = "refused"
    DENIED = "denied"
    UNKNOWN = "unknown"


class ErrorSeen(Part):
    """One error. `where` is the venue, empty where the gateway's own answer does not name it."""

    kind: ErrorKind
    at_ns: int
    where: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """A service's last heartbeat, when it was stamped, and how many in a row doubted their clock."""

    heartbeat: Heartbeat
    at_ns: int
    doubts: int = 0


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """A person's request that the shell has not served yet. `cause_id` tells one from the next."""

    by: str
    reason: str
    cause_id: str


class RiskState(State):
    """The state of risk. `required_services` and `heartbeat_timeout_ms` are configured."""

    DURABLE: ClassVar[frozenset[str]] = frozenset(
        {
            "trading", "venue", "reference", "reference_hash", "kept", "files", "overrides", "day", "aside",
            "pairs", "orders", "closed", "settled", "settled_krw", "account", "reconciled", "doubted_ns",
            "early_ends", "verdicts",
            "approved_at_ns", "paused", "foreign", "errors", "held_since_ns", "proposals", "files_bad",
            "told", "requests", "began_ns", "recalled", "recalling", "mode", "was_live", "table_waits",
        }
    )  # fmt: skip

    required_services: tuple[str, ...] = ("gateway", "executor")
    heartbeat_timeout_ms: int = 5_000

    trading: Trading = Trading()
    requests: RequestBook = RequestBook()
    began_ns: int = 0
    """When a risk without a stored state began (Redis time): entries of before are of the past (`recall`)."""
    recalled: TradingLimits | None = None
    """The limits that were in force before, as far as the past tells."""
    recalling: bool = False
    """Whether the past said something that has not been put in force and told."""
    venue: VenueView = VenueView()
    reference: Reference | None = None
    reference_hash: str = ""
    kept: frozenset[Symbol] = frozenset()
    """Symbols of `reference` that left the map and are held: who told of them has to tell their end."""
    files: FilesRead | None = None
    """The last files that could be used: what `reference` is made from."""
    mode: GatewayMode | None = None
    """How the gateway sends, None before it said so: what allows more waits as in live mode then."""
    was_live: bool = False
    """Whether what is in force may have held in live mode: then what allows more waits in every mode."""
    table_waits: PublishedTable | None = None
    """The threshold table of the last files, where it allows more and waits."""
    overrides: dict[str, str] = Field(default_factory=dict)
    """Limits that a person changed since the file last changed: name -> value as text."""
    day: Day = Day()
    aside: Aside | None = None
    """What holds again where the gateway takes back the word that began `day`."""
    pairs: dict[str, PairHeld] = Field(default_factory=dict)
    orders: dict[str, OrderTally] = Field(default_factory=dict)
    """Orders of pairs that are not closed, by order id."""
    closed: dict[str, PairHeld] = Field(default_factory=dict)
    """Pairs that closed on this trading date, by pair id."""
    settled: dict[str, OrderTally] = Field(default_factory=dict)
    """Orders of pairs that closed on this trading date, by order id."""
    settled_krw: dict[str, int] = Field(default_factory=dict)
    """What each pair that closed on this trading date brought on it, by pair id; the last closed is last."""
    early_ends: dict[str, PairClosed] = Field(default_factory=dict)
    """Ends of pairs that are not known, told on this trading date, by pair id."""
    account: Account | None = None
    reconciled: ReconciliationCompleted | None = None
    doubted_ns: int = 0
    """When Redis last lost what a service had written: what is known since may have a gap until compared."""
    verdicts: dict[str, int] = Field(default_factory=dict)
    """Intents that had their verdict lately: intent id -> when, ns."""
    approved_at_ns: dict[Symbol, tuple[int, ...]] = Field(default_factory=dict)
    paused: dict[Symbol, str] = Field(default_factory=dict)
    """Paused symbols, and why."""
    foreign: dict[str, ForeignOrderSeen] = Field(default_factory=dict)
    errors: dict[str, ErrorSeen] = Field(default_factory=dict)
    """What went wrong with orders, the newest ones, by what makes one error the same again."""
    held_since_ns: dict[str, int] = Field(default_factory=dict)
    """Pairs that hold shares which nobody has stranded, and since when."""
    proposals: dict[str, LimitProposal] = Field(default_factory=dict)
    """Loosened limits that wait for a second person, by id."""

    unknown_since_ns: Mapping[str, int] = Field(default_factory=dict)
    """Pairs with nothing held or working that the executor does not name, and since when."""
    books: Books = Field(default_factory=dict)
    crossed: CrossedMarkets = Field(default_factory=dict)
    """The crosses that stand in these books: their age, and which quote moved last."""
    beats: Mapping[str, Beat] = Field(default_factory=dict)
    journal: NotifierStatus | None = None
    """What the notifier last said of itself."""
    halt_file: str = ""
    """What lies beside the gateway and stops it, as it last said: a person's entry, or `supervisor`."""
    reload: ReloadAsked | None = None
    differences_told: bool = False
    """Whether this process has told how its files differ from what was in force."""
    files_bad: bool = False
    """Whether it was told that the files cannot be used as they are. An alert ends also after a restart."""
    closed_before: frozenset[str] = frozenset()
    """Gates that were closed when the status was last said."""
    told: frozenset[str] = frozenset()
    """Gates and breaches that were alerted and are not over: who told of them has to tell their end."""
    compare_asked_ns: int = 0
    """When the gateway was last asked to compare with the broker."""
    now_ns: int = 0
    """When the last event was taken in: what is held is valued by this clock."""
    epoch: int = 0
    """The fencing number of this process, 0 before its first tick."""
    lease_at_ns: int = 0
    status_at_ns: int = 0
