"""A book frame becomes QuoteUpdated: the only work done for every frame, so it is kept short.

Levels come from the absolute snapshot, never from the deltas (Kiwoom sheet 2.2). A price's sign is
a colour on a screen and may be doubled; an absent level has price 0 and is left out. A frame that is no
book is published as one that was refused: readers must not go on with the book before it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from services.contracts.in_force import Reference, book_ticks
from services.contracts.messages.market_data import (
    BookTrouble,
    Level,
    QuoteUpdated,
    RefusedBook,
    TradePrinted,
)
from services.contracts.messages.venue_state import PriceBand
from services.contracts.terms import Side, Symbol, Venue
from services.gateway.evidence import is_digits
from services.gateway.exchange_time import smallest_apart_ns
from services.market.books import sound
from services.market.broker_lists import ASK_PRICE, ASK_QTY, BID_PRICE, BID_QTY, BOOK_TIME
from services.market.market_clock import MarketClock
from services.market.symbols import parse_feed_code

BOOK_TYPE = "주식호가잔량"
TRADE_TYPE = "주식체결"
TIME_FID = BOOK_TIME

ReadFid = Callable[[int], str]
NO_BANDS: Final[Mapping[Symbol, PriceBand]] = MappingProxyType({})


def book_fids(levels: int) -> tuple[int, ...]:
    """Return the FIDs that a book of so many levels is read from."""
    firsts = (ASK_PRICE, BID_PRICE, ASK_QTY, BID_QTY)
    return (TIME_FID, *(first + level for first in firsts for level in range(levels)))


def whole(text: str) -> int:
    """Return a FID's number without its signs; a blank is 0, the price of an absent level (Kiwoom sheet 2.1).

    Raises ValueError for other text.

    >>> whole(" --70000 ")
    70000
    """
    digits = text.strip().lstrip("+-")
    if digits and not is_digits(digits):
        raise ValueError(f"{text!r} is not a whole number")
    return int(digits) if digits else 0


def size(text: str) -> int:
    """Return the shares of a level or a trade. Raises ValueError where they are blank or no number."""
    if not text.strip():
        raise ValueError("shares are blank")
    return whole(text)


class BookFeed:
    """Counts frames of each book of one connection. `read` gives the text of a FID of the frame."""

    def __init__(self, levels: int) -> None:
        self._levels = range(levels)
        self._seq: dict[tuple[Symbol, Venue], int] = {}
        self._codes: dict[str, tuple[Symbol, Venue]] = {}
        self.last_ns: dict[Venue, int] = {}
        self.heard_ns: dict[tuple[Symbol, Venue], int] = {}
        self.traded_ns: dict[Venue, int] = {}
        self.refused: dict[tuple[Venue, BookTrouble], int] = {}
        self._stamps: dict[Venue, dict[str, int]] = {venue: {} for venue in Venue}

    def quote(
        self, code: str, read: ReadFid, connection_epoch: int, now_ns: int,
        bands: Mapping[Symbol, PriceBand] = NO_BANDS, reference: Reference | None = None,
    ) -> QuoteUpdated:  # fmt: skip
        """Return the book of a registered code, refused where the frame is none; `bands` are the day's,
        `reference` names the ticks.

        Raises ValueError for a code that is none.
        """
        symbol, venue = self._book_of(code)
        asks: tuple[Level, ...] = ()
        bids: tuple[Level, ...] = ()
        refused = None
        try:
            asks = self._side(read, ASK_PRICE, ASK_QTY)
            bids = self._side(read, BID_PRICE, BID_QTY)
        except ValueError:
            refused = RefusedBook(trouble=BookTrouble.UNREADABLE, bids=bids, asks=asks)
        seq = self._seq[symbol, venue] = self._seq.get((symbol, venue), 0) + 1
        self.last_ns[venue] = self.heard_ns[symbol, venue] = now_ns
        exchange_time = read(TIME_FID).strip()
        self._stamps[venue].setdefault(exchange_time, now_ns)
        frame = QuoteUpdated.model_construct(
            symbol=symbol, venue=venue, bids=bids, asks=asks, exchange_time=exchange_time,
            connection_epoch=connection_epoch, feed_seq=seq, conflated=0, refused=refused,
        )  # fmt: skip
        quote = sound(frame, book_ticks(reference, symbol, venue), bands.get(symbol))
        if quote.refused is not None:
            counted = (venue, quote.refused.trouble)
            self.refused[counted] = self.refused.get(counted, 0) + 1
        return quote

    def trade(self, code: str, read: ReadFid, now_ns: int) -> TradePrinted:
        """Return a print; FID 15's sign is the aggressor (Kiwoom sheet 2.1). Raises ValueError."""
        symbol, venue = self._book_of(code)
        signed = read(15).strip()
        price_krw, qty_shares = whole(read(10)), size(signed)
        if not price_krw:
            raise ValueError(f"a trade of {code} has no price")
        self.traded_ns[venue] = now_ns
        aggressor = {"+": Side.BUY, "-": Side.SELL}.get(signed[:1])
        return TradePrinted.model_construct(
            symbol=symbol, venue=venue, price_krw=price_krw, qty_shares=qty_shares,
            aggressor=aggressor, exchange_time=read(20).strip(),
        )  # fmt: skip

    def frames(self) -> dict[Venue, int]:
        """Return how many book frames of each venue came since the start."""
        count = dict.fromkeys(Venue, 0)
        for (_, venue), number in self._seq.items():
            count[venue] += number
        return count

    def take_apart_ns(self, clock: MarketClock) -> dict[Venue, int]:
        """Return how far market time and FID 21 of the frames since the last call are apart, at least.

        Only a frame's first arrival with each text is kept: the work is done here, not for every frame.
        """
        stamps, self._stamps = self._stamps, {venue: {} for venue in Venue}
        apart = {venue: smallest_apart_ns(seen.items(), clock) for venue, seen in stamps.items()}
        return {venue: apart_ns for venue, apart_ns in apart.items() if apart_ns is not None}

    def _book_of(self, code: str) -> tuple[Symbol, Venue]:
        book = self._codes.get(code)
        if book is None:
            book = self._codes[code] = parse_feed_code(code.strip())
        return book

    def _side(self, read: ReadFid, price_fid: int, qty_fid: int) -> tuple[Level, ...]:
        levels = []
        for level in self._levels:
            price_krw = whole(read(price_fid + level))
            if price_krw:
                levels.append((price_krw, size(read(qty_fid + level))))
        return tuple(levels)


def silent_venues(
    last_ns: Mapping[Venue, int], now_ns: int, silence_ns: int, trading: frozenset[Venue]
) -> frozenset[Venue]:
    """Return the venues that trade and of which no book came for `silence_ns`."""
    return frozenset(venue for venue in trading if now_ns - last_ns.get(venue, 0) > silence_ns)
