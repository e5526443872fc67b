# mypy: ignore-errors
"""Two venues that trade the same symbols: a common price per symbol, and venues that stray from it.

Each symbol has one efficient price, a random walk on ticks. Each venue stands on it, now and then a
tick off, and at a rate per minute is *dislocated* far enough that its bid stands above the other's
ask (or the reverse) by `cross_bps`, for `cross_ms`: the crosses the system lives on. The exchange
owns phases, interruptions (VI), halts and auctions; it knows our orders only by number and tells
its listener what became of them.
"""

from random import Random

from services.contracts.terms import SessionPhase, Side, Venue
from services.market.instruments import trades_in
from services.market.ticks import price_limits
from services.simulator.agenda import Agenda
from services.simulator.day import SECOND_NS, TradingDay, announcements
from services.simulator.market.book import Execution, Incoming
from services.simulator.market.exchange import Exchange, Listener
from services.simulator.market.instrument import Dislocation, Instrument, Interruption, Listing, Stall
from services.simulator.market.ladder import PriceLadder
from services.simulator.market.liquidity import Liquidity
from services.simulator.options import WorldOptions

MS = 1_000_000
AUCTIONS = (SessionPhase.OPENING_AUCTION, SessionPhase.CLOSING_AUCTION)
KRX_ENDS = (SessionPhase.CLOSED, SessionPhase.PAUSE, SessionPhase.CLOSING_PRICE, SessionPhase.AFTER_MARKET)


class DislocatedExchange(Exchange):
    """Call `start` once; after that the agenda drives it and the broker sends it orders."""

    def __init__(
        self, listings: list[Listing], options: WorldOptions, day: TradingDay, agenda: Agenda, rng: Random
    ) -> None:
        self.rng = rng
        super().__init__(listings, options, day, agenda, 0)

    def _instrument(self, listing: Listing) -> Instrument:
        lower_krw, upper_krw = price_limits(listing.base_krw, listing.ticks)
        ladder = PriceLadder(listing.base_krw, lower_krw, upper_krw, listing.ticks.size)
        stalls = {
            venue: Stall(Liquidity(self.options, share, listing.base_krw, self.rng), listing.base_krw)
            for venue, share in ((Venue.KRX, 1.0), (Venue.NXT, self.options.nxt_depth_share))
            if venue is Venue.KRX or listing.nxt
        }
        return Instrument(listing, ladder, stalls)

    def start(self, listener: Listener) -> None:
        """Form the first books and begin to move."""
        self.listener = listener
        now_ns = self.agenda.now_ns
        for code, instrument in self.instruments.items():
            for venue in instrument.stalls:
                self._shape(instrument, venue, now_ns)
                self._schedule_update(code, venue, now_ns)
            if Venue.NXT in instrument.stalls:
                self._schedule_cross(code, now_ns)
            self._schedule_vi(code, now_ns)
        self._schedule_poll(now_ns)

    # -- what the broker asks ---------------------------------------------------

    def market_ns(self) -> int:
        return self.day.market_ns(self.agenda.now_ns)

    def matches(self, code: str, venue: Venue) -> bool:
        """Whether that venue matches the symbol continuously now."""
        instrument = self.instruments[code]
        stall = instrument.stalls[venue]
        stopped = instrument.halted or (venue is Venue.NXT and instrument.delisted)
        phase = self.phases[venue]
        open_ = phase.matches_continuously and trades_in(instrument.listing.market, venue, phase)
        return open_ and not stopped and stall.vi is None

    def enter(self, code: str, venue: Venue, order: Incoming) -> int:
        """An order arrives. Returns the shares left: resting if it rests, else for the broker to close.

        While the venue does not match, the order rests or dies.
        """
        book, ts_ns = self.instruments[code].stalls[venue].book, self.agenda.now_ns
        left = order.qty_shares
        if self.matches(code, venue):
            if order.whole and book.available(order.side, order.limit) < left:
                return left
            executions = book.take(order.side, order.limit, left)
            left -= sum(execution.qty_shares for execution in executions)
            self._report_taker(order, code, venue, executions, ts_ns)
        if left and order.rests:
            book.rest(order.order_no, order.side, order.limit, left, order.market)
        if left != order.qty_shares or order.rests:
            self.listener.on_book(venue, code, ts_ns)
        return left

    def withdraw(self, order_no: int, code: str, venue: Venue, qty_shares: int) -> int:
        """Take shares of a resting order off the book; returns how many."""
        taken = self.instruments[code].stalls[venue].book.withdraw(order_no, qty_shares)
        self.listener.on_book(venue, code, self.agenda.now_ns)
        return taken

    def fade(self, code: str, venue: Venue, side: Side, limit: int) -> None:
        """The background an incoming order of `side` aims at shrinks to a random part."""
        book = self.instruments[code].stalls[venue].book
        levels = book.asks if side is Side.BUY else book.bids
        for index in [i for i in levels if (i <= limit if side is Side.BUY else i >= limit)]:
            levels[index] = int(levels[index] * self.rng.random() ** 3)
            if not levels[index]:
                del levels[index]

    # -- interventions ------------------------------------------------------------

    def halt(self, code: str, halted: bool) -> None:
        self.instruments[code].halted = halted

    def delist(self, code: str, delisted: bool) -> None:
        """Take the symbol off NXT's list, or put it on again."""
        self.instruments[code].delisted = delisted

    def cross(self, code: str, venue: Venue, bps: int, ms: int, shares: int, rich: bool) -> None:
        """Dislocate `venue` now: its bid above the other's ask (`rich`), or its ask below the other's bid."""
        instrument, now_ns = self.instruments[code], self.agenda.now_ns
        prices, fair = instrument.ladder.prices, instrument.fair
        room = instrument.ladder.top - 2 * self.options.levels
        offset = 2
        while offset < room and self._cross_bps(prices, fair, offset, rich) < bps:
            offset += 1
        instrument.dislocation = Dislocation(venue, offset if rich else -offset, shares)
        for each in instrument.stalls:
            self._update(instrument, each, now_ns)
        self.agenda.at(now_ns + ms * MS, lambda due_ns: self._end_cross(code, due_ns))

    @staticmethod
    def _cross_bps(prices: list[int], fair: int, offset: int, rich: bool) -> int:
        if rich:
            bid, ask = prices[min(fair + offset, len(prices) - 1)], prices[fair + 1]
        else:
            bid, ask = prices[fair], prices[max(fair - offset + 1, 0)]
        return (bid - ask) * 10_000 // ask

    def _end_cross(self, code: str, due_ns: int) -> None:
        instrument = self.instruments[code]
        instrument.dislocation = None
        for venue in instrument.stalls:
            self._update(instrument, venue, due_ns)

    def interrupt(self, code: str, venue: Venue, up: bool) -> None:
        """Trigger a VI on one venue, as if a trade of `vi_bps` above or below the last was due."""
        instrument = self.instruments[code]
        base_krw = instrument.stalls[venue].last_krw
        moved = base_krw * (10_000 + (self.options.vi_bps if up else -self.options.vi_bps)) // 10_000
        trigger_krw = instrument.ladder.prices[instrument.ladder.at_or_below(moved)]
        if instrument.stalls[venue].vi is None:
            self._interrupt(instrument, venue, trigger_krw, base_krw)

    def _interrupt(self, instrument: Instrument, venue: Venue, trigger_krw: int, base_krw: int) -> None:
        """Two minutes of market time without matching, then one print."""
        started = self.market_ns()
        until = started + self.options.vi_market_s * SECOND_NS
        vi = instrument.stalls[venue].vi = Interruption(trigger_krw, base_krw, started, until)
        self._interrupted.add((instrument.listing.code, venue))
        self.listener.on_interruption(venue, instrument.listing.code, vi, True, self.agenda.now_ns)

    # -- movement -----------------------------------------------------------------

    def _schedule_update(self, code: str, venue: Venue, now_ns: int) -> None:
        wait_ns = int((0.5 + self.rng.random()) * SECOND_NS / self.options.book_updates_per_s)
        self.agenda.at(now_ns + wait_ns, lambda due_ns: self._on_update(code, venue, due_ns))

    def _on_update(self, code: str, venue: Venue, due_ns: int) -> None:
        instrument = self.instruments[code]
        if venue is Venue.KRX and self.rng.random() < self.options.drift_rate:
            self._drift(instrument)
        self._update(instrument, venue, due_ns)
        if self.matches(code, venue) and self.rng.random() < self.options.trade_rate:
            self._background_trade(instrument, venue, due_ns)
        self._schedule_update(code, venue, due_ns)

    def _drift(self, instrument: Instrument) -> None:
        margin = 2 * self.options.levels
        if instrument.halted or not any(phase.matches_continuously for phase in self.phases.values()):
            return
        fair = instrument.fair + (1 if self.rng.random() < 0.5 else -1)
        instrument.fair = min(max(fair, margin), instrument.ladder.top - margin)

    def _update(self, instrument: Instrument, venue: Venue, due_ns: int) -> None:
        phase = self.phases[venue]
        if instrument.halted or not (phase.matches_continuously or phase in AUCTIONS):
            return
        self._shape(instrument, venue, due_ns)
        self.listener.on_book(venue, instrument.listing.code, due_ns)

    def _shape(self, instrument: Instrument, venue: Venue, due_ns: int, resumes: bool = False) -> None:
        options, rng, stall = self.options, self.rng, instrument.stalls[venue]
        away = instrument.dislocation
        bid, wide, bid_shares, ask_shares = instrument.fair, 1, None, None
        if away is None:
            bid += rng.choice((-1, 1)) if rng.random() < options.lag_rate else 0
            wide = 2 if rng.random() < options.wide_rate else 1
        elif away.venue is venue:
            bid += away.offset
            bid_shares, ask_shares = (away.shares, None) if away.offset > 0 else (None, away.shares)
        bid = min(max(bid, options.levels), instrument.ladder.top - options.levels - 2)
        bids = stall.makers.side(bid, True, stall.book.bids, bid_shares)
        asks = stall.makers.side(bid + wide, False, stall.book.asks, ask_shares)
        code = instrument.listing.code
        executions = stall.book.reshape(bids, asks, self.matches(code, venue), resumes)
        self._report_makers(code, venue, executions, due_ns)

    def _background_trade(self, instrument: Instrument, venue: Venue, due_ns: int) -> None:
        stall, rng = instrument.stalls[venue], self.rng
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        best = stall.book.best(side.opposite)
        if best is None:
            return
        shares = max(1, int(stall.book.available(side, best) * rng.random() ** 2))
        executions = stall.book.take(side, best, shares)
        self._report_makers(instrument.listing.code, venue, executions, due_ns)
        total = sum(execution.qty_shares for execution in executions)
        signed = total if side is Side.BUY else -total
        self._print(instrument, venue, instrument.ladder.prices[best], signed, due_ns)

    def _report_makers(self, code: str, venue: Venue, executions: list[Execution], ts_ns: int) -> None:
        prices = self.instruments[code].ladder.prices
        for execution in executions:
            if execution.maker is not None:
                price_krw = prices[execution.index]
                self.listener.on_execution(
                    venue, code, execution.maker, price_krw, execution.qty_shares, ts_ns
                )

    def _report_taker(
        self, order: Incoming, code: str, venue: Venue, executions: list[Execution], ts_ns: int
    ) -> None:
        instrument = self.instruments[code]
        self._report_makers(code, venue, executions, ts_ns)
        for execution in executions:
            price_krw = instrument.ladder.prices[execution.index]
            self.listener.on_execution(venue, code, order.order_no, price_krw, execution.qty_shares, ts_ns)
            signed = execution.qty_shares if order.side is Side.BUY else -execution.qty_shares
            self._print(instrument, venue, price_krw, signed, ts_ns)

    def _print(
        self, instrument: Instrument, venue: Venue, price_krw: int, signed_shares: int, ts_ns: int
    ) -> None:
        """A trade of continuous matching. One too far from the last starts a VI (market rules 2.3)."""
        stall, code = instrument.stalls[venue], instrument.listing.code
        last_krw = stall.last_krw
        stall.print(price_krw, abs(signed_shares))
        self.listener.on_trade(venue, code, price_krw, signed_shares, ts_ns)
        if stall.vi is None and abs(price_krw - last_krw) * 10_000 >= last_krw * self.options.vi_bps:
            self._interrupt(instrument, venue, price_krw, last_krw)

    # -- chance events --------------------------------------------------------------

    def _schedule_cross(self, code: str, now_ns: int) -> None:
        if self.options.crosses_per_symbol_min <= 0:
            return
        wait_ns = int(self.rng.expovariate(self.options.crosses_per_symbol_min / 60) * SECOND_NS)
        self.agenda.at(now_ns + wait_ns, lambda due_ns: self._on_cross(code, due_ns))

    def _on_cross(self, code: str, due_ns: int) -> None:
        rng, options = self.rng, self.options
        venue = rng.choice((Venue.KRX, Venue.NXT))
        bps, ms = rng.randint(*options.cross_bps), rng.randint(*options.cross_ms)
        shares, rich = rng.randint(*options.cross_shares), rng.random() < 0.5
        if all(self.matches(code, each) for each in Venue) and self.instruments[code].dislocation is None:
            self.cross(code, venue, bps, ms, shares, rich)
        self._schedule_cross(code, due_ns)

    def _schedule_vi(self, code: str, now_ns: int) -> None:
        if self.options.vi_per_symbol_hour <= 0:
            return
        wait_ns = int(self.rng.expovariate(self.options.vi_per_symbol_hour / 3600) * SECOND_NS)
        self.agenda.at(now_ns + wait_ns, lambda due_ns: self._on_vi(code, due_ns))

    def _on_vi(self, code: str, due_ns: int) -> None:
        venue = self.rng.choice(list(self.instruments[code].stalls))
        if self.matches(code, venue):
            self.interrupt(code, venue, self.rng.random() < 0.5)
        self._schedule_vi(code, due_ns)

    # -- sessions -------------------------------------------------------------------

    def _schedule_poll(self, now_ns: int) -> None:
        self.agenda.at(now_ns + self.options.session_poll_ms * MS, self._poll)

    def _poll(self, due_ns: int) -> None:
        market_ns = self.day.market_ns(due_ns)
        for venue in Venue:
            new = self.day.phase(venue, market_ns)
            if new is not self.phases[venue]:
                self._change_phase(venue, new, market_ns, due_ns)
        for code, venue in sorted(self._interrupted):
            vi = self.instruments[code].stalls[venue].vi
            if vi is not None and market_ns >= vi.until_market_ns and not self.instruments[code].halted:
                self._release(code, venue, vi, due_ns)
        self._schedule_poll(due_ns)

    def _change_phase(self, venue: Venue, new: SessionPhase, market_ns: int, due_ns: int) -> None:
        old, self.phases[venue] = self.phases[venue], new
        if old in AUCTIONS:
            for code in self.instruments:
                self._print_auction(code, venue, due_ns)
        for announcement in announcements(venue, old, new):
            self.listener.on_phase(venue, announcement, due_ns)
        over = self.day.is_over(venue, market_ns)
        if over or (venue is Venue.KRX and new in KRX_ENDS and old is not SessionPhase.CLOSED):
            self._expire(venue, due_ns)
        if over and venue is Venue.KRX and old is not SessionPhase.AFTER_MARKET:
            self.listener.on_phase(venue, "9", due_ns)

    def _expire(self, venue: Venue, due_ns: int) -> None:
        for instrument in self.instruments.values():
            if venue in instrument.stalls:
                book = instrument.stalls[venue].book
                for order_no in list(book.own):
                    book.withdraw(order_no)
                    self.listener.on_expired(order_no, due_ns)

    def _release(self, code: str, venue: Venue, vi: Interruption, due_ns: int) -> None:
        self._interrupted.discard((code, venue))
        self.instruments[code].stalls[venue].vi = None
        if self.phases[venue].matches_continuously:
            self._print_auction(code, venue, due_ns)
        self.listener.on_interruption(venue, code, vi, False, due_ns)

    def _print_auction(self, code: str, venue: Venue, due_ns: int) -> None:
        instrument = self.instruments[code]
        stall = instrument.stalls.get(venue)
        if stall is None or instrument.halted:
            return
        index, rng = instrument.fair, self.rng
        buys, sells = (rng.randint(*self.options.auction_shares) for _ in range(2))
        executions = stall.book.uncross(index, buys, sells)
        self._report_makers(code, venue, executions, due_ns)
        for order in [order for order in stall.book.own.values() if order.market]:
            stall.book.withdraw(order.order_no)
            self.listener.on_expired(order.order_no, due_ns)
        price_krw, total = instrument.ladder.prices[index], buys + sells
        stall.print(price_krw, total)
        self.listener.on_trade(venue, code, price_krw, total, due_ns)
        self._shape(instrument, venue, due_ns, resumes=True)
