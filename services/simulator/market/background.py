"""Everybody else on the two venues: makers, private traders, professionals, and those who cause crosses.

What comes when is drawn by `causes`, each agent from a generator of its own, whatever the books hold. What
an event then does depends on the books: who comes late finds nothing.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from services.contracts.terms import SessionPhase, Side, Venue
from services.simulator.day import SECOND_NS
from services.simulator.market.causes import (
    Burst,
    Move,
    Reactions,
    Visit,
    burst,
    burst_rate,
    cross_bps,
    move,
    next_way,
    own_cross,
    own_rate,
)
from services.simulator.market.instrument import Instrument, Stall, Visitor
from services.simulator.market.presets import preset
from services.simulator.market.streams import stream

if TYPE_CHECKING:
    from services.simulator.market.exchange import Exchange

MINUTE_S: Final = 60
HOUR_S: Final = 3600
AUCTIONS: Final = (SessionPhase.OPENING_AUCTION, SessionPhase.CLOSING_AUCTION)
STALE_TICKS: Final = 2
"""A price that moved so far crosses the quotes of a venue whose spread is one tick."""


class Background:
    """Schedules its events on the exchange's agenda. `start` it once the first books stand."""

    def __init__(self, exchange: "Exchange", seed: int) -> None:
        self.exchange, self.options, self.agenda = exchange, exchange.options, exchange.agenda
        self.preset = preset(self.options.preset or "fair")
        self._seed = seed
        rate = self.options.crosses_per_symbol_min
        self._rate = self.preset.crosses_per_symbol_min if rate is None else rate

    def start(self) -> None:
        now_ns = self.agenda.now_ns
        both = [code for code, each in self.exchange.instruments.items() if Venue.NXT in each.stalls]
        for code, instrument in self.exchange.instruments.items():
            for venue in instrument.stalls:
                rng = self._stream(code, venue, "flow")
                self._show(instrument, venue, rng.random(), now_ns, tell=False)
                self._flow(instrument, venue, rng, now_ns)
            moves, gaps = self._stream(code, "moves"), self._stream(code, "gaps")
            self._every(moves, self.options.moves_per_s, self._mover(instrument, moves))
            self._every(gaps, self.options.gaps_per_symbol_hour / HOUR_S, self._gapper(instrument, gaps))
        for code in both:
            rng = self._stream(code, "crosses")
            rate = own_rate(self.preset, self._rate) / MINUTE_S
            self._every(rng, rate, self._crosser(self.exchange.instruments[code], rng))
        market, parts = self._stream("market"), {code: self._stream(code, "market") for code in both}
        self._every(market, burst_rate(self.preset, self._rate) / MINUTE_S, self._burster(market, parts))

    def _stream(self, *names: str) -> Random:
        return stream(self._seed, *names)

    def _every(self, rng: Random, per_s: float, act: Callable[[int], None]) -> None:
        """Do something at random moments, `per_s` a second on average."""
        if per_s <= 0:
            return

        def due(due_ns: int) -> None:
            act(due_ns)
            self.agenda.at(due_ns + int(rng.expovariate(per_s) * SECOND_NS), due)

        self.agenda.at(self.agenda.now_ns + int(rng.expovariate(per_s) * SECOND_NS), due)

    # -- makers and private traders -------------------------------------------------------

    def _flow(self, instrument: Instrument, venue: Venue, rng: Random, now_ns: int) -> None:
        """At each moment of a venue either makers come or somebody trades at the best price."""
        period_ns, rate = SECOND_NS / self.options.book_updates_per_s, self.options.trade_rate

        def due(due_ns: int) -> None:
            trades, chance, wide, again, wait = (rng.random() for _ in range(5))
            self.agenda.at(due_ns + int((0.5 + wait) * period_ns), due)
            if trades < rate:
                self._trade(instrument, venue, trades < rate / 2, chance, due_ns)
            elif self._active(instrument, venue):
                instrument.stalls[venue].wide = 2 if wide < self.options.wide_rate else 1
                self._show(instrument, venue, chance, due_ns, again=again)

        self.agenda.at(now_ns + int((0.5 + rng.random()) * period_ns), due)

    def _active(self, instrument: Instrument, venue: Venue) -> bool:
        phase = self.exchange.phases[venue]
        return not instrument.halted and (phase.matches_continuously or phase in AUCTIONS)

    def _trade(self, instrument: Instrument, venue: Venue, buys: bool, chance: float, due_ns: int) -> None:
        if not self.exchange.matches(instrument.listing.code, venue):
            return
        side = Side.BUY if buys else Side.SELL
        book = instrument.stalls[venue].book
        best = book.best(side.opposite)
        if best is not None:
            shares = max(1, int(book.available(side, best) * chance * chance))
            self.exchange.trade(instrument, venue, side, best, shares, due_ns)

    def show(self, instrument: Instrument, venue: Venue, chance: float, due_ns: int) -> None:
        """The makers of a venue quote around the price as it is now, if its book moves at all."""
        if self._active(instrument, venue):
            self._show(instrument, venue, chance, due_ns)

    def _show(
        self,
        instrument: Instrument,
        venue: Venue,
        chance: float,
        due_ns: int,
        *,
        again: float | None = None,
        tell: bool = True,
        resumes: bool = False,
    ) -> None:
        """`again` has one level quoted anew, shares and all."""
        stall = instrument.stalls[venue]
        visitor, bid, ask = stall.visitor, instrument.fair, instrument.fair + stall.wide
        if visitor is not None:
            if visitor.side is Side.BUY:
                ask = max(ask, visitor.index + 1)
            else:
                bid = min(bid, visitor.index - 1)
        moved, stall.quoted = stall.quoted != (bid, ask), (bid, ask)
        if again is not None:
            deep = int(stall.makers.levels * again)
            for levels, index in ((stall.book.bids, bid - deep), (stall.book.asks, ask + deep)):
                if index in levels:
                    levels[index] = stall.makers.shares((chance + index / 7) % 1.0)
        bids = stall.makers.side(bid, -1, stall.book.bids, chance, moved)
        asks = stall.makers.side(ask, 1, stall.book.asks, 1.0 - chance, moved)
        if visitor is not None:
            quotes, old = (bids, stall.book.bids) if visitor.side is Side.BUY else (asks, stall.book.asks)
            shares = max(old.get(visitor.index, 0), visitor.fresh_shares)
            visitor.fresh_shares = 0
            if shares:
                quotes[visitor.index] = shares
        self.exchange.quote(instrument, venue, bids, asks, due_ns, resumes=resumes, tell=tell)

    # -- moves ------------------------------------------------------------------------------

    def _mover(self, instrument: Instrument, rng: Random) -> Callable[[int], None]:
        up = rng.random() < 0.5

        def act(due_ns: int) -> None:
            nonlocal up
            if rng.random() >= self.options.run_rate:
                up = not up
            self.move(instrument, move(rng, self.preset, up), due_ns)

        return act

    def _gapper(self, instrument: Instrument, rng: Random) -> Callable[[int], None]:
        def act(due_ns: int) -> None:
            up, size_bps = rng.random() < 0.5, rng.randint(*self.options.gap_bps)
            self.move(instrument, move(rng, self.preset, up, size_bps), due_ns)

        return act

    def move(self, instrument: Instrument, event: Move, due_ns: int) -> None:
        """One venue moves first: a trade through its best prices, new quotes there, the race for the rest."""
        leader = self._leader(instrument, event.leader)
        if leader is None:
            return
        stall, old, side = instrument.stalls[leader], instrument.fair, Side.BUY if event.up else Side.SELL
        ticks = 1 if event.cross_bps is None else self._ticks(instrument, event.up, event.cross_bps)
        new = min(max(old + (ticks if event.up else -ticks), -1), instrument.ladder.top)
        if new == old:
            return
        instrument.fair = new
        last = min(max(new if event.up else new + 1, 0), instrument.ladder.top)
        self.exchange.trade(
            instrument, leader, side, last, stall.book.available(side, last), due_ns, tell=False, at=last
        )
        self._show(instrument, leader, event.sizes, due_ns)
        if event.cross_bps is not None:
            instrument.answers = list(event.reactions.answers)
        self._contest(instrument, leader.other, event.reactions, event.sizes, due_ns)

    def _leader(self, instrument: Instrument, first: Venue) -> Venue | None:
        for venue in (first, first.other):
            if venue in instrument.stalls and self.exchange.matches(instrument.listing.code, venue):
                return venue
        return None

    @staticmethod
    def _ticks(instrument: Instrument, up: bool, bps: int) -> int:
        """How far a venue has to move until its best price crosses by `bps` what the other quotes at a spread
        of one tick. What stands in the books does not count, so that prices go where they go without us."""
        prices, fair = instrument.ladder.prices, instrument.fair
        stale = prices[min(max(fair + up, 0), len(prices) - 1)]
        ticks = 1
        while 0 <= fair + (ticks if up else 1 - ticks) < len(prices):
            price = prices[fair + (ticks if up else 1 - ticks)]
            rich, cheap = (price, stale) if up else (stale, price)
            if (rich - cheap) * 10_000 >= bps * cheap:
                break
            ticks += 1
        return ticks

    def _contest(
        self, instrument: Instrument, venue: Venue, race: Reactions, sizes: float, due_ns: int
    ) -> None:
        """Professionals take what is stale on `venue`, its makers take it away, each at his time."""
        stall = instrument.stalls.get(venue)
        if stall is None or abs(instrument.fair - stall.quoted[0]) < STALE_TICKS:
            return
        self.agenda.at(due_ns + race.taker_ns, lambda at_ns: self._take_stale(instrument, venue, at_ns))
        self.agenda.at(due_ns + race.maker_ns, lambda at_ns: self.show(instrument, venue, sizes, at_ns))

    def _take_stale(self, instrument: Instrument, venue: Venue, due_ns: int) -> None:
        """Take what is worth more on the other venue, a dealer's costs deducted."""
        code, ladder = instrument.listing.code, instrument.ladder
        if not all(self.exchange.matches(code, each) for each in Venue):
            return
        book, ahead = instrument.stalls[venue].book, instrument.stalls[venue.other].book
        cost = 10_000 + self.preset.dealer_cost_bps
        for side in Side:
            stale, there = book.best(side.opposite), ahead.best(side)
            if stale is None or there is None:
                continue
            if side is Side.BUY:
                limit = ladder.at_or_below(ladder.prices[there] * 10_000 // cost)
                worth = stale <= limit
            else:
                limit = ladder.at_or_above(-(-ladder.prices[there] * cost // 10_000))
                worth = stale >= limit
            if worth:
                self.exchange.trade(instrument, venue, side, limit, book.available(side, limit), due_ns)

    # -- crosses ------------------------------------------------------------------------------

    def _crosser(self, instrument: Instrument, rng: Random) -> Callable[[int], None]:
        up = rng.random() < 0.5

        def act(due_ns: int) -> None:
            nonlocal up
            up = next_way(rng, self.preset, up)
            event = own_cross(rng, self.preset, up)
            if isinstance(event, Move):
                self._both(instrument, event, due_ns)
            else:
                self.visit(instrument, event, due_ns)

        return act

    def _burster(self, rng: Random, parts: dict[str, Random]) -> Callable[[int], None]:
        """One move of the market reaches several symbols within a moment, all in one direction."""

        up = rng.random() < 0.5

        def act(due_ns: int) -> None:
            nonlocal up
            up, size_bps = next_way(rng, self.preset, up), cross_bps(rng, self.preset)
            for code, own in parts.items():
                part = burst(own, self.preset, up, size_bps)
                if part.reached:
                    self._later(self.exchange.instruments[code], part, due_ns)

        return act

    def _later(self, instrument: Instrument, part: Burst, now_ns: int) -> None:
        self.agenda.at(now_ns + part.delay_ns, lambda due_ns: self._both(instrument, part.move, due_ns))

    def _both(self, instrument: Instrument, event: Move, due_ns: int) -> None:
        """A move that is to make a cross needs both venues."""
        if all(self.exchange.matches(instrument.listing.code, venue) for venue in Venue):
            self.move(instrument, event, due_ns)

    def visit(self, instrument: Instrument, event: Visit, due_ns: int) -> None:
        """Somebody's order crosses the other venue. The makers of his venue stand back while it stands.

        An earlier one of the symbol is taken back: one stands at a time.
        """
        code, stalls = instrument.listing.code, instrument.stalls
        if len(stalls) < len(Venue) or not all(self.exchange.matches(code, venue) for venue in stalls):
            return
        ticks = self._ticks(instrument, event.rich, event.cross_bps)
        index = instrument.fair + (ticks if event.rich else 1 - ticks)
        if not 0 < index < instrument.ladder.top:
            return
        for venue, stall in stalls.items():
            if stall.visitor is not None:
                self._leave(instrument, venue, stall.visitor, due_ns)
        visitor = Visitor(Side.BUY if event.rich else Side.SELL, index, event.shares)
        stall = stalls[event.venue]
        stall.visitor, instrument.answers = visitor, list(event.reactions.answers)
        self._show(instrument, event.venue, event.sizes, due_ns)
        for refill_ns in event.refills_ns:
            self.agenda.at(due_ns + refill_ns, lambda at_ns: self._again(instrument, event, visitor, at_ns))
        leaves_ns = due_ns + event.stay_ns
        self.agenda.at(leaves_ns, lambda at_ns: self._leave(instrument, event.venue, visitor, at_ns))

    def _again(self, instrument: Instrument, event: Visit, visitor: Visitor, due_ns: int) -> None:
        if instrument.stalls[event.venue].visitor is visitor:
            visitor.fresh_shares = event.shares
            self.show(instrument, event.venue, event.sizes, due_ns)

    def _leave(self, instrument: Instrument, venue: Venue, visitor: Visitor, due_ns: int) -> None:
        stall = instrument.stalls[venue]
        if stall.visitor is visitor:
            stall.visitor = None
            self.show(instrument, venue, 0.5, due_ns)

    # -- what others do about a trade -----------------------------------------------------------

    def answer(self, instrument: Instrument, venue: Venue, side: Side, index: int, due_ns: int) -> None:
        """A trade printed: makers of the other venue whose price it shows to be too good may take it away."""
        other = instrument.stalls.get(venue.other)
        if other is None or not instrument.answers:
            return
        best = other.book.best(side)
        if best is None or (best <= index if side is Side.BUY else best >= index):
            return
        chance, wait_ns = instrument.answers.pop(0)
        if chance < self.preset.pull_rate:
            self.agenda.at(
                due_ns + wait_ns, lambda at_ns: self._pull(instrument, other, venue.other, side, index, at_ns)
            )

    def _pull(
        self, instrument: Instrument, stall: Stall, venue: Venue, side: Side, index: int, due_ns: int
    ) -> None:
        if not self._active(instrument, venue):
            return
        stall.visitor = None
        levels = stall.book.bids if side is Side.BUY else stall.book.asks
        kept = {at: qty for at, qty in levels.items() if (at <= index if side is Side.BUY else at >= index)}
        bids, asks = (kept, stall.book.asks) if side is Side.BUY else (stall.book.bids, kept)
        self.exchange.quote(instrument, venue, bids, asks, due_ns)

    def resume(self, instrument: Instrument, venue: Venue, chance: float, due_ns: int) -> None:
        """An auction has printed: makers quote around the price again, and matching goes on."""
        self._show(instrument, venue, chance, due_ns, resumes=True)
