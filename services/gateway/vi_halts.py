"""Volatility interruptions and halts of symbols, each told once.

A VI frame comes for the whole market and may come twice under different codes: it is known by
(plain code, start, kind) (Kiwoom sheet 2.4). Release time `000000` means still active. A frame
that names no venue of its own (`_AL` or plain) is a VI of KRX.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.contracts.messages.venue_state import HaltKind, SymbolHaltChanged
from services.contracts.terms import Symbol, Venue
from services.gateway.exchange_time import market_ns_of
from services.market.dates import SECOND_NS

VI_TYPE = "VI발동/해제"
VI_FIDS = (9001, 1221, 1223, 1224, 1225, 1279)
VI_LONGEST_NS = 600 * SECOND_NS
"""A VI takes two minutes and may be extended; one this old ended while nobody listened."""
_STILL_ACTIVE = "000000"
_HALTED_TEXT = "거래정지"

Book = tuple[Symbol, Venue]
Seen = tuple[Symbol, Venue, str, str, bool]
Interruptions = tuple[tuple[Symbol, Venue, int], ...]
"""Symbol, venue and the market time at which a VI that is active began."""


@dataclass(frozen=True, slots=True)
class HaltBoard:
    """`by_book` holds what stops a symbol on a venue now; `seen` VI frames of today."""

    by_book: Mapping[Book, frozenset[HaltKind]] = field(default_factory=dict)
    seen: frozenset[Seen] = frozenset()
    since: Mapping[Book, int] = field(default_factory=dict)
    """Market time at which the VI that is active began."""

    def halted(self, symbol: Symbol, venue: Venue) -> frozenset[HaltKind]:
        return self.by_book.get((symbol, venue), frozenset())

    def on_vi(
        self, values: Mapping[int, str], symbols: frozenset[Symbol]
    ) -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board after a VI frame, and what is news for the symbols of the map."""
        code = values[9001].strip()
        plain, _, suffix = code.removeprefix("A").partition("_")
        symbol, venue = Symbol(plain), Venue.NXT if suffix == "NX" else Venue.KRX
        active = values[1224].strip() in (_STILL_ACTIVE, "")
        key: Seen = (symbol, venue, values[1223].strip(), values[1225].strip(), active)
        if symbol not in symbols or key in self.seen:
            return self, ()
        board = HaltBoard(self.by_book, self.seen | {key}, self.since)
        released: Seen = (*key[:4], False)
        if active and released in self.seen:
            return board, ()
        detail = f"{values[1225].strip()} at {values[1221].strip()} KRW since {values[1223].strip()}"
        if active:
            since = {**self.since, (symbol, venue): market_ns_of(values[1223]) or 0}
            board = HaltBoard(self.by_book, board.seen, since)
        return board.set(symbol, venue, HaltKind.VOLATILITY_INTERRUPTION, active, detail)

    def without_old_vi(self, market_ns: int) -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board without VIs whose release must have been missed, and that news."""
        board = self
        news: list[SymbolHaltChanged] = []
        for (symbol, venue), kinds in self.by_book.items():
            old = market_ns - self.since.get((symbol, venue), market_ns) > VI_LONGEST_NS
            if old and HaltKind.VOLATILITY_INTERRUPTION in kinds:
                board, change = board.set(
                    symbol, venue, HaltKind.VOLATILITY_INTERRUPTION, False, "release missed"
                )
                news += change
        return board, tuple(news)

    def set(
        self, symbol: Symbol, venue: Venue, kind: HaltKind, halted: bool, detail: str = ""
    ) -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board with one reason set or lifted, and the news if it is any."""
        before = self.halted(symbol, venue)
        after = before | {kind} if halted else before - {kind}
        if before == after:
            return self, ()
        board = HaltBoard({**self.by_book, (symbol, venue): after}, self.seen, self.since)
        change = SymbolHaltChanged(symbol=symbol, venue=venue, kind=kind, halted=halted, detail=detail)
        return board, (change,)

    def interruptions(self) -> Interruptions:
        """Return the VIs that are active: no query tells of them, so that the next process must know."""
        vi = HaltKind.VOLATILITY_INTERRUPTION
        return tuple(
            (*book, self.since.get(book, 0)) for book in sorted(self.by_book) if vi in self.by_book[book]
        )

    def everything(self) -> tuple[SymbolHaltChanged, ...]:
        """Return what holds of every book that was ever halted, for readers who may have lost it."""
        return tuple(
            SymbolHaltChanged(symbol=symbol, venue=venue, kind=kind, halted=kind in kinds)
            for (symbol, venue), kinds in sorted(self.by_book.items())
            for kind in HaltKind
        )


def interrupted(active: Interruptions) -> HaltBoard:
    """Return the board on which these VIs are active and nothing else stops."""
    books = {(symbol, venue): since for symbol, venue, since in active}
    return HaltBoard(dict.fromkeys(books, frozenset({HaltKind.VOLATILITY_INTERRUPTION})), since=books)


def is_halted(stock_state: str) -> bool:
    """Whether `GetMasterStockState` says that trading is halted (Kiwoom sheet 1.1)."""
    return _HALTED_TEXT in stock_state
