"""The crosses that stood in the true books: a bid of one venue above the ask of the other.

Only the truth: what was seen of it, and when, is the feed's business. A cross lives while both venues match
its symbol. Each change of either book within it is a point, so that a judge can say what stood for how long.
"""

from dataclasses import dataclass, field
from typing import Any

from services.contracts.terms import Side, Venue
from services.simulator.market.exchange import Exchange

Point = tuple[int, int, int, int, int, int]
"""(ns, ask in KRW, its shares, bid in KRW, its shares, ns of the last change of the stiller book)."""
NAMES = ("at_ns", "ask_krw", "ask_shares", "bid_krw", "bid_shares", "stalest_ns")


@dataclass(slots=True)
class Standing:
    """`until_ns` is 0 while it stands."""

    code: str
    buy_venue: Venue
    points: list[Point]
    until_ns: int = 0


@dataclass(slots=True)
class CrossLog:
    exchange: Exchange
    ended: list[Standing] = field(default_factory=list)
    _open: dict[tuple[str, Venue], Standing] = field(default_factory=dict)
    _changed_ns: dict[tuple[str, Venue], int] = field(default_factory=dict)

    def on_book(self, venue: Venue, code: str, ts_ns: int) -> None:
        """A book of the exchange has changed."""
        self._changed_ns[code, venue] = ts_ns
        stalls = self.exchange.instruments[code].stalls
        if len(stalls) < len(Venue):
            return
        for buy_venue in Venue:
            ask, bid = stalls[buy_venue].book.best(Side.SELL), stalls[buy_venue.other].book.best(Side.BUY)
            crosses = ask is not None and bid is not None and bid > ask
            if crosses and all(self.exchange.matches(code, each) for each in Venue):
                self._stands(code, buy_venue, ts_ns)
            else:
                self._ends(code, buy_venue, ts_ns)

    def on_phase(self, ts_ns: int) -> None:
        """A venue begins another phase: nothing stands across it."""
        for code, buy_venue in list(self._open):
            self._ends(code, buy_venue, ts_ns)

    def on_interruption(self, code: str, ts_ns: int) -> None:
        """A VI begins or ends: nothing of its symbol stands across it."""
        for venue in Venue:
            self._ends(code, venue, ts_ns)

    def _stands(self, code: str, buy_venue: Venue, ts_ns: int) -> None:
        instrument = self.exchange.instruments[code]
        (ask, ask_shares), *_ = instrument.stalls[buy_venue].book.depth(Side.SELL, 1)
        (bid, bid_shares), *_ = instrument.stalls[buy_venue.other].book.depth(Side.BUY, 1)
        prices = instrument.ladder.prices
        stalest_ns = min(self._changed_ns.get((code, venue), 0) for venue in Venue)
        point = (ts_ns, prices[ask], ask_shares, prices[bid], bid_shares, stalest_ns)
        standing = self._open.get((code, buy_venue))
        if standing is None:
            self._open[code, buy_venue] = Standing(code, buy_venue, [point])
        else:
            standing.points.append(point)

    def _ends(self, code: str, buy_venue: Venue, ts_ns: int) -> None:
        standing = self._open.pop((code, buy_venue), None)
        if standing is not None:
            standing.until_ns = ts_ns
            self.ended.append(standing)

    def told(self) -> list[dict[str, Any]]:
        """Return every cross as a JSON-like object; one that stands lasts until now."""
        now_ns = self.exchange.agenda.now_ns
        return [
            {
                "code": standing.code,
                "buy_venue": standing.buy_venue.value,
                "until_ns": standing.until_ns or now_ns,
                "points": [dict(zip(NAMES, point, strict=True)) for point in standing.points],
            }
            for standing in (*self.ended, *self._open.values())
        ]
