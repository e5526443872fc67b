"""What a simulated world is made of, and which faults it may show.

Every number that shapes behaviour is here, frozen, and readable from one JSON object with the
keys of `SimulatorOptions`. Rates are probabilities per occasion (0.0 to 1.0) unless the name says
otherwise; times are wall time, also on a compressed day, because networks do not compress.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from services.simulator.latency import Delay, LatencyOptions


class OptionsError(ValueError):
    """An options file that cannot be used; the text says which key and why."""


@dataclass(frozen=True)
class WorldOptions:
    """How the two venues' books move."""

    preset: str = ""
    """How contested crosses are: gentle, fair or harsh (`market.presets`). Empty: the market before those."""
    levels: int = 10
    book_updates_per_s: float = 2.5
    """Background changes of each venue's book of each symbol, per second."""
    moves_per_s: float = 0.25
    """Moves of a symbol's price by one tick, per second (assumed)."""
    run_rate: float = 0.55
    """Chance that a move goes on in the direction of the one before (assumed)."""
    gaps_per_symbol_hour: float = 0.0
    """Moves of a symbol by `gap_bps` at once; one beyond `vi_bps` starts a VI where it prints."""
    gap_bps: tuple[int, int] = (150, 600)
    drift_rate: float = 0.25
    """Chance, at each KRX update, that the common price of a symbol moves one tick."""
    lag_rate: float = 0.10
    """Chance, at each update, that a venue stands one tick off the common price until its next."""
    wide_rate: float = 0.10
    """Chance, at each update, that the spread is two ticks and not one."""
    trade_rate: float = 0.35
    """Chance, at each update, that background flow trades at the best price."""
    crosses_per_symbol_min: float | None = 0.6
    """How often the venues cross, per symbol and minute in which both match; none: the preset's own rate.
    Dislocations of one venue against the other, per symbol and minute of continuous overlap."""
    cross_bps: tuple[int, int] = (5, 60)
    """How far the rich bid stands above the cheap ask: both below and above break-even (about 23)."""
    cross_ms: tuple[int, int] = (300, 3000)
    cross_shares: tuple[int, int] = (5, 150)
    """Shares shown at the best price of the dislocated venue."""
    level_value_krw: tuple[int, int] = (10_000_000, 120_000_000)
    nxt_depth_share: float = 0.4
    """Depth of NXT against KRX."""
    auction_shares: tuple[int, int] = (200, 5000)
    """Shares of background flow that an auction print offers to our side."""
    vi_per_symbol_hour: float = 0.0
    """Volatility interruptions by chance, beside those that trades bring about."""
    vi_bps: int = 300
    """A trade this far from the last one of its venue starts a VI there (market rules 2.3)."""
    vi_market_s: int = 120
    session_poll_ms: int = 20
    nxt_takes_ioc: bool = True
    """Whether NXT takes IOC orders; that the real one does is not proven (Kiwoom sheet 4.4)."""
    krx_only: tuple[str, ...] = ()
    """Symbols that NXT does not trade today."""


@dataclass(frozen=True)
class FaultOptions:
    """What goes wrong. Everything is off by default."""

    late_arrival_rate: float = 0.0
    """An order, and with it all behind it, reaches the venue only after `late_arrival_ms`."""
    late_arrival_ms: tuple[int, int] = (100, 2000)
    stalls_per_hour: float = 0.0
    """Everything that is on its way to the control, quotes and orders, is held for `stall_ms`."""
    stall_ms: tuple[int, int] = (800, 2500)
    reject_rate: float = 0.0
    """The broker refuses a good new order: blank order number and a message."""
    late_reject_rate: float = 0.0
    """The order gets a number, then a frame with status 거부; nothing fills."""
    refusal_shows_rest_rate: float = 0.0
    """A frame with status 거부 shows the quantity as still open."""
    cancel_reject_rate: float = 0.0
    """A cancel gets a number, then a frame with status 거부; its order works on."""
    other_account_rate: float = 0.0
    """A frame of ours comes a second time for another account of the same login, under another number."""
    blank_row_rate: float = 0.0
    """One row of a query's answer comes blank."""
    blank_output_rate: float = 0.0
    """One field of a query's answer comes blank, of a row or of what it names once."""
    unnamed_outputs_blank_rate: float = 0.0
    """The share of the outputs beyond the sheet (`query_outputs.csv`) that are blank in every answer."""
    blank_screen_rate: float = 0.0
    """An order frame does not echo the screen (FID 920); that it does is not certain (Kiwoom sheet 1.3)."""
    blank_venue_rate: float = 0.0
    """An order frame leaves out its venue (FIDs 2134 to 2136)."""
    blank_vi_rate: float = 0.0
    """A VI frame leaves out when the VI began."""
    part_fill_rate: float = 0.0
    """Others took so much before an order of several shares arrives that 10 to 20 % of it are left."""
    fade_rate: float = 0.0
    """The liquidity an incoming order aims at shrinks before it arrives (partial or no fill)."""
    never_arrives_rate: float = 0.0
    """SendOrder returns 0, the order never reaches the broker, nothing answers."""
    send_fail_rate: float = 0.0
    """SendOrder returns -307; half of these orders arrive all the same."""
    order_overflow_rate: float = 0.0
    """SendOrder returns -308 although we kept to the limit: another program used the same login."""
    slow_match_rate: float = 0.0
    """An accepted order meets the book only after `slow_match_ms`: its fill is late, and a cancel that
    comes meanwhile is overtaken by the fill half of the time."""
    slow_match_ms: tuple[int, int] = (100, 2000)
    lost_ack_rate: float = 0.0
    """The order is worked but its OnReceiveTrData never comes."""
    lost_chejan_rate: float = 0.0
    """An order none of whose frames ever come; only queries show it."""
    silent_close_rate: float = 0.0
    """The dead remainder of an IOC is closed without a frame."""
    chejan_first_rate: float = 0.0
    """An order's frames come before the OnReceiveTrData that carries its number."""
    duplicate_chejan_rate: float = 0.0
    query_fail_rate: float = 0.0
    """A query is accepted and never answered."""
    query_overflow_rate: float = 0.0
    """A query is refused with -200 although we kept to the limit."""
    slow_query_rate: float = 0.0
    """A query is answered only after `slow_query_ms`."""
    slow_query_ms: tuple[int, int] = (600, 3000)
    disconnects_per_hour: float = 0.0
    freezes_per_hour: float = 0.0
    """One venue's real-time feed goes silent for `freeze_ms`; its market goes on."""
    freeze_ms: tuple[int, int] = (3000, 10000)
    hand_orders_per_hour: float = 0.0
    """Orders of a person in the same account, through another terminal."""
    hand_twin_rate: float = 0.0
    """A person buys the same shares at the same price at the moment at which one of our buys is sent."""
    duplicate_connect_rate: float = 0.0
    """OnEventConnect(0) fires twice for one login."""
    duplicate_vi_rate: float = 0.0
    """A VI frame comes a second time, under the `_AL` code."""
    silent_registration_rate: float = 0.0
    """SetRealReg returns 0 for a code whose frames then never come, until it is registered again."""
    venue_fids: bool = True
    """False: an old build, where FIDs 2134 to 2136 and 9081 and the venue of every row are blank."""


@dataclass(frozen=True)
class BrokerOptions:
    """The broker's own limits and habits (Kiwoom sheet 5.1)."""

    orders_per_s: int = 5
    queries_per_s: int = 5
    sustained_queries: tuple[tuple[int, int], ...] = ((1000, 3600),)
    """(count, seconds): more queries than this trips the load guard until the next login."""
    queries_used: int = 0
    """Queries of the last hour before the world began, not of its last 200 s: the guard counts them."""
    page_rows: int = 100
    tr_registers_realtime: bool = True
    """A query about a symbol also registers its real-time types on that screen."""
    server_gubun: str = "1"
    """"1" is the simulated server, anything else the real one."""
    nxt_pause_takes_cancels: bool = True
    pause_refuses_by_frame: bool = False
    """A cancel that a pause refuses gets a number and then a frame with status 거부, not a blank number."""
    relogin_ms: int = 0
    """How long after a lost connection a login is refused with -101."""


@dataclass(frozen=True)
class AccountOptions:
    number: str = "8012345611"
    user_id: str = "arbdesk"
    user_name: str = "모의투자"
    cash_krw: int = 100_000_000
    holdings: tuple[tuple[str, int, int], ...] = ()
    """(symbol, shares, average price in KRW) held at the start."""


@dataclass(frozen=True)
class SimulatorOptions:
    world: WorldOptions = field(default_factory=WorldOptions)
    faults: FaultOptions = field(default_factory=FaultOptions)
    latency: LatencyOptions = field(default_factory=LatencyOptions)
    broker: BrokerOptions = field(default_factory=BrokerOptions)
    account: AccountOptions = field(default_factory=AccountOptions)


T = TypeVar("T")


PRESETS = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """The options that come with the simulator: `demo` is mild, `chaos` busy, `storm` shows every fault."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def load_options(name_or_file: str | Path) -> SimulatorOptions:
    """Options of a preset, or from a JSON file. Raises OptionsError naming the file and the key."""
    path = Path(name_or_file)
    if str(name_or_file) in preset_names():
        path = PRESETS / f"{name_or_file}.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        known = ", ".join(preset_names())
        raise OptionsError(f"{path}: neither a preset ({known}) nor readable as JSON: {error}") from error
    try:
        return parse_options(data)
    except OptionsError as error:
        raise OptionsError(f"{path}: {error}") from error


def parse_options(data: Any) -> SimulatorOptions:
    """Build options from a JSON-like object of sections. Raises OptionsError naming the key."""
    return _build(SimulatorOptions, data, "options")


def _build(kind: type[T], data: Any, where: str) -> T:
    if not isinstance(data, dict):
        raise OptionsError(f"{where}: expected an object, got {type(data).__name__}")
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in hints:
            raise OptionsError(f"{where}.{key}: no such option; known are {', '.join(sorted(hints))}")
        values[key] = _value(hints[key], value, f"{where}.{key}")
    return kind(**values)


_ASCENDING: dict[Any, str] = {tuple[int, int]: "[low, high]", Delay: "[lowest, median, highest]"}


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, where)
    if hint == float | None:
        return None if value is None else _scalar(float, value, where)
    if hint in (int, float, str, bool):
        return _scalar(hint, value, where)
    if not isinstance(value, list):
        raise OptionsError(f"{where}: expected a list, got {value!r}")
    if shape := _ASCENDING.get(hint):
        whole = len(value) == len(get_args(hint)) and all(isinstance(v, int) and v >= 0 for v in value)
        if not whole or sorted(value) != value:
            raise OptionsError(f"{where}: expected {shape} of whole numbers, ascending, got {value!r}")
        return tuple(value)
    return tuple(tuple(row) if isinstance(row, list) else row for row in value)


def _scalar(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if number < 0 or (where.endswith("_rate") and number > 1):
            raise OptionsError(f"{where}: {number} is out of range")
        return number
    if type(value) is not hint:
        raise OptionsError(f"{where}: expected {hint.__name__}, got {value!r}")
    if isinstance(value, int) and value < 0:
        raise OptionsError(f"{where}: must not be negative, got {value}")
    return value
