"""Real-time frames as the control shows them: which FIDs a type has, and their text.

A frame travels raw (numbers, not FIDs) and makes the text of a FID when it is asked for, because a
reader asks for few of the hundred FIDs of a type. Text rules (Kiwoom sheet 2.1): prices carry the
sign of their distance to the base price, values are padded with blanks, times are `HHmmss`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from services.contracts.terms import Venue

Levels = list[tuple[int, int]]
TRADE = "주식체결"
BOOK = "주식호가잔량"
BEST = "주식우선호가"
SESSION = "장시작시간"
VI = "VI발동/해제"

_BOOK_FIDS = frozenset({21, *range(41, 101), 121, 122, 125, 126, 128, 129, 138, 139})
_TRADE_FIDS = frozenset({20, 10, 11, 12, 13, 14, 15, 16, 17, 18, 25, 26, 29, 30, 31, 228, 290, 9081})
_BEST_FIDS = frozenset({27, 28})
_SESSION_FIDS = frozenset({215, 214})


def types_of(fids: set[int]) -> frozenset[str]:
    """The real-time types that a list of FIDs switches on (Kiwoom sheet 2.1, last rule)."""
    found = set()
    if fids & _BOOK_FIDS:
        found.add(BOOK)
    if fids & _TRADE_FIDS:
        found.add(TRADE)
    if fids & _BEST_FIDS:
        found.add(BEST)
    if fids & _SESSION_FIDS:
        found.add(SESSION)
    return frozenset(found)


def suffixed(code: str, venue: Venue) -> str:
    """The code of a venue's feed: plain for KRX, `_NX` for NXT (Kiwoom sheet 4.1)."""
    return code if venue is Venue.KRX else f"{code}_NX"


def unsuffixed(code: str) -> tuple[str, Venue]:
    """The plain code and venue of a registered code; `_AL` has no venue of its own and reads as KRX."""
    plain, _, suffix = code.partition("_")
    return plain, Venue.NXT if suffix == "NX" else Venue.KRX


def price_text(price_krw: int, base_krw: int) -> str:
    """A price with the sign of its distance to the base price."""
    if price_krw <= 0 or price_krw == base_krw:
        return str(price_krw)
    return f"+{price_krw}" if price_krw > base_krw else f"-{price_krw}"


def change_sign(price_krw: int, base_krw: int) -> str:
    """FID 25: 2 up, 3 flat, 5 down."""
    return "3" if price_krw == base_krw else "2" if price_krw > base_krw else "5"


@dataclass(frozen=True, slots=True)
class BookFrame:
    """One venue's book, best first; `auction` while nothing matches continuously."""

    KIND: ClassVar[str] = BOOK
    hhmmss: str
    base_krw: int
    asks: Levels
    bids: Levels
    ask_total: int
    bid_total: int
    auction: bool = False

    @property
    def touch(self) -> tuple[int, int]:
        """Best bid and best ask in KRW, 0 where there is none or nothing matches continuously."""
        if self.auction:
            return 0, 0
        return self.bids[0][0] if self.bids else 0, self.asks[0][0] if self.asks else 0

    def text(self, fid: int) -> str:
        if 41 <= fid <= 50 or 51 <= fid <= 60:
            return price_text(self._level(fid - 41, 0), self.base_krw)
        if 61 <= fid <= 70 or 71 <= fid <= 80:
            return str(self._level(fid - 61, 1))
        if 81 <= fid <= 100:
            return "0"
        return self._totals(fid)

    def _level(self, place: int, part: int) -> int:
        side, level = (self.asks, place) if place < 10 else (self.bids, place - 10)
        return side[level][part] if level < len(side) else 0

    def _totals(self, fid: int) -> str:
        expected = self.bids[0] if self.auction and self.bids else (0, 0)
        values: dict[int, str] = {
            21: self.hhmmss,
            121: str(self.ask_total),
            122: "0",
            125: str(self.bid_total),
            126: "0",
            128: str(self.bid_total - self.ask_total),
            138: str(self.ask_total - self.bid_total),
            23: price_text(expected[0], self.base_krw),
            24: str(expected[1]),
            291: price_text(expected[0], self.base_krw),
            292: str(expected[1]),
        }
        return values.get(fid, "")


@dataclass(frozen=True, slots=True)
class TradeFrame:
    """One print. `signed_shares` is positive when a buyer took, negative when a seller did."""

    KIND: ClassVar[str] = TRADE
    hhmmss: str
    base_krw: int
    price_krw: int
    signed_shares: int
    ask_krw: int
    bid_krw: int
    volume_shares: int
    value_krw: int
    open_krw: int
    high_krw: int
    low_krw: int
    venue: str

    def text(self, fid: int) -> str:
        base = self.base_krw
        prices = {
            10: self.price_krw,
            27: self.ask_krw,
            28: self.bid_krw,
            16: self.open_krw,
            17: self.high_krw,
            18: self.low_krw,
        }
        if fid in prices:
            return price_text(prices[fid], base)
        change = self.price_krw - base
        values = {
            20: self.hhmmss,
            11: f"{change:+d}" if change else "0",
            12: f"{change * 100 / base:+.2f}" if change else "0.00",
            13: str(self.volume_shares),
            14: str(self.value_krw // 1_000_000),
            15: f"{self.signed_shares:+d}",
            25: change_sign(self.price_krw, base),
            290: "2",
            1313: str(abs(self.signed_shares) * self.price_krw),
            9081: self.venue,
        }
        return values.get(fid, "")


@dataclass(frozen=True, slots=True)
class BestFrame:
    """Best ask and bid without sizes and without time."""

    KIND: ClassVar[str] = BEST
    base_krw: int
    ask_krw: int
    bid_krw: int

    def text(self, fid: int) -> str:
        if fid == 27:
            return price_text(self.ask_krw, self.base_krw)
        return price_text(self.bid_krw, self.base_krw) if fid == 28 else ""


@dataclass(frozen=True, slots=True)
class TextFrame:
    """A frame whose FIDs are few and already text: `장시작시간`, `VI발동/해제`."""

    kind: str
    values: dict[str, str]

    def text(self, fid: int) -> str:
        return self.values.get(str(fid), "")


Frame = BookFrame | TradeFrame | BestFrame | TextFrame


def kind_of(frame: Frame) -> str:
    return frame.kind if isinstance(frame, TextFrame) else frame.KIND


_RAW: tuple[type[BookFrame] | type[TradeFrame] | type[BestFrame], ...] = (BookFrame, TradeFrame, BestFrame)
_BY_KIND = {kind.KIND: kind for kind in _RAW}


def to_wire(frame: Frame) -> dict[str, Any]:
    """A JSON-like object; `from_wire` with the type's name makes the frame again."""
    if isinstance(frame, TextFrame):
        return frame.values
    return {name: getattr(frame, name) for name in frame.__slots__}


def from_wire(kind: str, data: Mapping[str, Any]) -> Frame:
    shape = _BY_KIND.get(kind)
    return TextFrame(kind, dict(data)) if shape is None else shape(**data)
