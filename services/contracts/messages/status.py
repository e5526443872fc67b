"""What services say of themselves, about once a second. Only the newest of each counts."""

from pydantic import Field

from services.contracts.dated import DateFinding
from services.contracts.envelope import Message, Part
from services.contracts.messages.control import LimitProposal, Stopped
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import GatewayMode, Latch, SessionPhase, Symbol, TradingState, Venue


class Heartbeat(Message):
    """A service is alive. `positions` are its committed stream positions.

    `clock_trusted`: its measure of Redis time is good enough to compare ages by. `clock_error_us` is how
    vague the measure is, `clock_jumps` how often the offset has jumped since the process began.
    `cursors` is where it stands in streams that it reads from the newest on and does not commit.
    """

    service: str
    instance: str
    epoch: int
    build_id: str
    pid: int
    started_at_ns: int
    reference_hash: str
    positions: dict[str, str]
    handled: int
    clock_offset_us: int
    clock_trusted: bool = True
    clock_error_us: int = 0
    clock_jumps: int = 0
    cursors: dict[str, str] = Field(default_factory=dict)


class KeysVanished(Message):
    """Redis had lost what a service wrote last, or all of it where it came back empty (`emptied`).

    The service goes on from memory; entries that others had written and nobody had read are lost.
    """

    service: str
    detail: str
    emptied: bool = True


class GatewayStatus(Message):
    """`tokens` are orders and queries that could be sent now; ages in ms, -1 where nothing came yet.

    `dates` says how well the trading date is known: its costs, calendar, order codes and NXT list.
    `halt_file` names what lies beside the gateway and stops it: a person's entry, or `supervisor`.
    Counts are of this process: `orders_sent` new orders; `order_calls` orders, amendments and cancels, which
    the broker's limit counts.
    """

    mode: GatewayMode
    connection: ConnectionState
    connection_epoch: int
    account: str
    trading_date: str
    market_time: str
    phases: dict[Venue, SessionPhase]
    entry_window_open: bool
    last_event_age_ms: dict[str, int]
    queue_depths: dict[str, int]
    order_tokens: int
    query_tokens: int
    orders_sent: int
    queries_sent: int
    orders_in_window_max: int
    quotes_published: int
    quotes_conflated: int
    subscribed: int
    lease_left_ms: int
    dates: tuple[DateFinding, ...] = ()
    halt_file: str = ""
    order_calls: int = 0


class SpreadSeen(Part):
    """The best direction of one symbol now; money per share in KRW, negative when it would lose."""

    symbol: Symbol
    name: str
    buy_venue: Venue
    sell_venue: Venue
    ask_krw: int
    bid_krw: int
    qty_shares: int
    net_edge_krw: int
    net_edge_bps: int
    age_ms: int


class DetectorStatus(Message):
    """The widest spreads of a group, best first."""

    group: str
    symbols: int
    quotes: int
    quotes_skipped: int
    intents: int
    crosses: int
    spreads: tuple[SpreadSeen, ...]


class OpenPairSeen(Part):
    """`next_try` says of a stranded position when it is tried again by itself, or why it is not.

    `why` says why it is stranded, empty for a pair that is worked on.
    """

    pair_id: str
    symbol: Symbol
    state: str
    clip: int
    uncovered_shares: int
    uncovered_krw: int
    age_ms: int
    next_try: str = ""
    why: str = ""
    buy_venue: Venue | None = None
    sell_venue: Venue | None = None


class RiskStatus(Message):
    """Money in KRW. `marked_pnl_krw` values what is held at the better bid."""

    state: TradingState
    latches: tuple[Latch, ...]
    gates: tuple[str, ...]
    open_pairs: int
    exposure_krw: int
    realised_pnl_krw: int
    marked_pnl_krw: int
    trips: int
    intents: int
    approvals: int
    denials: dict[str, int]
    cash_krw: int
    cash_change_krw: int
    provisional: bool = False
    """Whether the costs behind the money are the last known ones and not those of the date."""
    proposals: tuple[LimitProposal, ...] = ()
    """Loosened limits that wait for a second person."""
    stop_count: int = 0
    """Rises with everything that stops; a request that allows more names the one that was shown."""
    last_stop: Stopped | None = None
    orders: int = 0
    """Orders of the trading date, each id once, whatever became of it."""


class ExecutorStatus(Message):
    pairs: tuple[OpenPairSeen, ...]
    stranded: tuple[OpenPairSeen, ...]
    pairs_closed: int
    clips: int
    uncovered_krw_ms: int
    neutral_ms_max: int


class NotifierStatus(Message):
    """`channel` is where alerts go: `slack`, or `terminal` where no webhook is configured.

    `acknowledged` are the open alerts that somebody has taken, and who.

    `longest_stream` is the longest stream that must lose nothing, `longest_stream_entries` its length.
    """

    journal_lines: int
    journal_lag_ms: int
    alerts: int
    delivered: int
    failed: int
    unacknowledged: tuple[str, ...]
    channel: str = ""
    acknowledged: dict[str, str] = Field(default_factory=dict)
    longest_stream: str = ""
    longest_stream_entries: int = 0
