"""Volatility interruptions and halts of symbols, each told once.

A VI frame comes for the whole market and may come twice under different codes: it is known by
(plain code, start, kind) (Kiwoom sheet 2.4). Release time `000000` means still active, and so does every text
that is no time. A release ends the VI that it names and no other. A frame that names no venue of its own
(`_AL` or plain) is a VI of KRX.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.contracts.messages.venue_state import HaltKind, SymbolHaltChanged
from services.contracts.terms import Symbol, Venue
from services.gateway.evidence import plain_code
from services.gateway.exchange_time import market_ns_of
from services.market.broker_lists import VI_FRAME
from services.market.dates import SECOND_NS

VI_TYPE = "VI발동/해제"
VI_FIDS = tuple(VI_FRAME)
VI_LONGEST_NS = 600 * SECOND_NS
"""A VI takes two minutes and may be extended; one this old ended while nobody listened."""
_HALTED_TEXT = "거래정지"

Book = tuple[Symbol, Venue]
Vi = tuple[Symbol, Venue, str, str]
"""Symbol, venue, start and kind as the broker writes them: by these a release names its VI."""
Interruptions = tuple[tuple[Symbol, Venue, int] | tuple[Symbol, Venue, int, str, str], ...]
"""Symbol, venue, the market time since which a VI is active, its start and its kind."""


@dataclass(frozen=True, slots=True)
class HaltBoard:
    """`by_book` holds what stops a symbol on a venue now, `active` the VIs and since which market time."""

    by_book: Mapping[Book, frozenset[HaltKind]] = field(default_factory=dict)
    active: Mapping[Vi, int] = field(default_factory=dict)
    released: frozenset[Vi] = frozenset()
    """VIs of today whose end was told: a late copy of the beginning does not bring one back."""

    def halted(self, symbol: Symbol, venue: Venue) -> frozenset[HaltKind]:
        return self.by_book.get((symbol, venue), frozenset())

    def on_vi(
        self, values: Mapping[int, str], symbols: frozenset[Symbol], market_ns: int
    ) -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board after a VI frame that came at `market_ns`, and the news of symbols of the map.

        Raises Unusable for a frame that names no symbol.
        """
        code = values.get(9001, "").strip()
        symbol, venue = plain_code(code), Venue.NXT if code.endswith("_NX") else Venue.KRX
        start, kind = values.get(1223, "").strip(), values.get(1225, "").strip()
        vi: Vi = (symbol, venue, start, kind)
        if symbol not in symbols:
            return self, ()
        if is_release(values.get(1224, ""), start):
            return self._released(vi)
        if vi in self.active or vi in self.released:
            return self, ()
        board = replace(self, active={**self.active, vi: _since(start, market_ns)})
        detail = f"{kind} at {values.get(1221, '').strip()} KRW since {start}"
        return board.set(symbol, venue, HaltKind.VOLATILITY_INTERRUPTION, True, detail)

    def _released(self, vi: Vi, why: str = "") -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board without one VI; another one of the same book goes on."""
        symbol, venue, start, kind = vi
        told = self.released | {vi} if market_ns_of(start) else self.released
        rest = {other: since for other, since in self.active.items() if other != vi}
        board = replace(self, active=rest, released=told)
        if vi not in self.active or any(other[:2] == vi[:2] for other in rest):
            return board, ()
        detail = why or f"{kind} since {start}"
        return board.set(symbol, venue, HaltKind.VOLATILITY_INTERRUPTION, False, detail)

    def without_old_vi(self, market_ns: int) -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board without VIs whose release must have been missed, and that news."""
        board = self
        news: list[SymbolHaltChanged] = []
        for vi, since in self.active.items():
            if market_ns - since > VI_LONGEST_NS:
                board, change = board._released(vi, "release missed")
                news += change
        return board, tuple(news)

    def none_ahead_of(self, market_ns: int) -> "HaltBoard":
        """Return the board after the clock was set back: no VI began later than now."""
        active = {vi: min(since, market_ns) for vi, since in self.active.items()}
        return self if active == self.active else replace(self, active=active)

    def set(
        self, symbol: Symbol, venue: Venue, kind: HaltKind, halted: bool, detail: str = ""
    ) -> tuple["HaltBoard", tuple[SymbolHaltChanged, ...]]:
        """Return the board with one reason set or lifted, and the news if it is any."""
        before = self.halted(symbol, venue)
        after = before | {kind} if halted else before - {kind}
        if before == after:
            return self, ()
        board = replace(self, by_book={**self.by_book, (symbol, venue): after})
        change = SymbolHaltChanged(symbol=symbol, venue=venue, kind=kind, halted=halted, detail=detail)
        return board, (change,)

    def interruptions(self) -> Interruptions:
        """Return the VIs that are active: no query tells of them, so that the next process must know."""
        return tuple(
            (symbol, venue, since, start, kind)
            for (symbol, venue, start, kind), since in sorted(self.active.items())
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
    board = HaltBoard()
    for symbol, venue, since, *names in active:
        start, kind = names or ("", "")
        board = replace(board, active={**board.active, (symbol, venue, start, kind): since})
        board, _ = board.set(symbol, venue, HaltKind.VOLATILITY_INTERRUPTION, True)
    return board


def is_release(text: str, start: str) -> bool:
    """Whether FID 1224 is a time at which a VI ended: neither `000000`, nor blank, nor before its start."""
    ended_ns, began_ns = market_ns_of(text), market_ns_of(start)
    return bool(ended_ns) and (ended_ns or 0) >= (began_ns or 0)


def _since(start: str, market_ns: int) -> int:
    """Return when a VI that is active began, as far as its frame says so believably, else now."""
    began_ns = market_ns_of(start)
    believable = began_ns is not None and 0 <= market_ns - began_ns <= VI_LONGEST_NS
    return began_ns if believable and began_ns is not None else market_ns


def is_halted(stock_state: str) -> bool:
    """Whether `GetMasterStockState` says that trading is halted (Kiwoom sheet 1.1)."""
    return _HALTED_TEXT in stock_state
