"""A trading morning in messages: what a gateway and risk would have said, at chosen times."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from services.contracts.envelope import Envelope, Message, decode
from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.venue_state import (
    ConfirmedBy,
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    EntryWindowChanged,
    FeedLivenessChanged,
    PriceBand,
    SessionPhaseChanged,
)
from services.contracts.reference import CommissionRates, SymbolEntry, TradeCosts
from services.contracts.step import Event, Received, Tick
from services.contracts.terms import Market, SessionPhase, Symbol, TradingDate, Venue
from services.contracts.threshold import SHIPPED_ROW, ThresholdTable
from services.contracts.trading_limits import TradingLimits
from services.market.files import HOGA_FILE, load_toml
from services.market.hoga import HogaTable

HOGA = load_toml(Path(__file__).parents[3] / "config" / HOGA_FILE, HogaTable)
DATE = TradingDate("2026-11-23")
T0 = 1_795_400_000 * NS_PER_S
SAMSUNG, HYNIX, OTHER_GROUP = Symbol("005930"), Symbol("000660"), Symbol("035420")
LIMITS = TradingLimits(max_displayed_share_pct=100)
AT_ONCE = ThresholdTable(default=SHIPPED_ROW.model_copy(update={"min_cross_ms": 0}))
"""The shipped table, for a cross that need not have stood."""

_numbers = count(1)


def ms(milliseconds: int) -> int:
    """A time (ns) so many milliseconds into the morning."""
    return T0 + milliseconds * NS_PER_MS


def entry(symbol: Symbol, group: str = "g1", *, enabled: bool = True) -> SymbolEntry:
    return SymbolEntry(
        krx_code=symbol, nxt_code=f"{symbol}_NX", name=f"Share {symbol}", market=Market.KOSPI, group=group,
        enabled=enabled,
    )  # fmt: skip


SYMBOLS = (entry(SAMSUNG), entry(HYNIX), entry(OTHER_GROUP, "g2"))


def costs(date: TradingDate = DATE) -> dict[Market, TradeCosts]:
    rates = CommissionRates(krx=Decimal("0.00015"), nxt=Decimal("0.000145"))
    return {
        market: TradeCosts(
            trading_date=date, market=market, commission=rates,
            transaction_tax_rate=Decimal("0.0005"), rural_tax_rate=Decimal("0.0015"),
        )
        for market in Market
    }  # fmt: skip


def reference(limits: TradingLimits = LIMITS, **changes: Any) -> Reference:
    values: dict[str, Any] = {
        "trading_date": DATE, "symbols": SYMBOLS, "costs": costs(), "limits": limits, "threshold": AT_ONCE,
    }  # fmt: skip
    return Reference(**{**values, **changes})


def published(in_force: Reference) -> ReferencePublished:
    return ReferencePublished(reference=in_force, reference_hash=in_force.hash, by="risk", reason="files")


def limits(**changes: Any) -> TradingLimits:
    return TradingLimits.model_validate({**LIMITS.model_dump(), **changes})


def received(message: Message, now_ns: int, *, event_ns: int | None = None, cause: str = "") -> Received:
    """The message as a service reads it: through JSON, with an id of its own."""
    number = next(_numbers)
    envelope = Envelope.wrap(
        message, source="test", now_ns=now_ns, causation_id=cause or f"cause-{number}", event_ns=event_ns
    )
    return Received(decode(envelope.encode()), "stream", f"{now_ns // NS_PER_MS}-{number}", now_ns)


def phase(venue: Venue, to: SessionPhase = SessionPhase.CONTINUOUS, date: TradingDate = DATE) -> Message:
    return SessionPhaseChanged(
        venue=venue,
        phase=to,
        trading_date=date,
        market_time="09:01:00",
        confirmed_by=ConfirmedBy.TIMETABLE,
        order_kinds=tuple(sorted(HOGA.kinds(venue, to))),
    )


def date_begins(date: str) -> list[Message]:
    """What a gateway says first of a new date."""
    return [phase(venue, date=TradingDate(date)) for venue in Venue]


def window(is_open: bool = True, closes_at_ns: int = T0 + 3_600 * NS_PER_S) -> Message:
    return EntryWindowChanged(
        open=is_open, reason="overlap", trading_date=DATE, market_time="09:01:00", closes_at_ns=closes_at_ns
    )


def connection(
    state: ConnectionState = ConnectionState.READY, epoch: int = 1, *, planned: bool = False
) -> ConnectionChanged:
    return ConnectionChanged(state=state, connection_epoch=epoch, planned=planned)


def feed(venue: Venue, *, alive: bool = True) -> Message:
    return FeedLivenessChanged(venue=venue, alive=alive, last_event_ns=T0)


def facts(symbols: Iterable[Symbol] = (SAMSUNG, HYNIX, OTHER_GROUP), **changes: Any) -> DayFactsPublished:
    values: dict[str, Any] = {
        "trading_date": DATE,
        "nxt_eligible": tuple(symbols),
        "order_warnings": (),
        "bands": {s: PriceBand(base_krw=70_000, lower_krw=49_000, upper_krw=91_000) for s in symbols},
    }
    return DayFactsPublished(**{**values, **changes})


def morning() -> list[Message]:
    """Everything the venue stream says before trading is possible."""
    venues: list[Message] = [connection(), facts(), window()]
    return venues + [said for venue in Venue for said in (phase(venue), feed(venue))]


def quote(
    venue: Venue, bid_krw: int, ask_krw: int, *, symbol: Symbol = SAMSUNG, qty: int = 10, epoch: int = 1,
    seq: int | None = None, conflated: int = 0,
) -> QuoteUpdated:  # fmt: skip
    return QuoteUpdated(
        symbol=symbol, venue=venue, bids=((bid_krw, qty), (bid_krw - 100, qty)),
        asks=((ask_krw, qty), (ask_krw + 100, qty)), exchange_time="090100", connection_epoch=epoch,
        feed_seq=next(_numbers) if seq is None else seq, conflated=conflated,
    )  # fmt: skip


def crossing(symbol: Symbol = SAMSUNG, *, epoch: int = 1) -> tuple[QuoteUpdated, QuoteUpdated]:
    """Buy on KRX at 70,000, sell on NXT at 70,500: about 48 bps net of 71 bps gross."""
    return (
        quote(Venue.KRX, 69_900, 70_000, symbol=symbol, epoch=epoch),
        quote(Venue.NXT, 70_500, 70_600, symbol=symbol, epoch=epoch),
    )


def events(messages: Iterable[Message], now_ns: int) -> list[Event]:
    return [received(message, now_ns) for message in messages]


def tick(now_ns: int, epoch: int = 0) -> Tick:
    return Tick(now_ns, epoch)
