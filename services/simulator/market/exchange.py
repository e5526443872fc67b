"""Two venues that trade the same symbols: phases, matching, interruptions, halts and auctions.

Who trades there besides us is `background`'s business. The exchange knows our orders only by number,
treats them as it treats everybody's, and tells its listener what became of them.
"""

from typing import Protocol

from services.contracts.terms import SessionPhase, Side, Venue
from services.market.instruments import trades_in
from services.market.ticks import price_limits
from services.simulator.agenda import Agenda
from services.simulator.day import SECOND_NS, TradingDay, announcements
from services.simulator.market.auction import uncross
from services.simulator.market.background import AUCTIONS, Background
from services.simulator.market.book import Execution, Incoming
from services.simulator.market.causes import Cause, Move, Reactions, Visit
from services.simulator.market.instrument import Instrument, Interruption, Listing, Stall
from services.simulator.market.ladder import PriceLadder
from services.simulator.market.makers import Makers
from services.simulator.market.streams import stream
from services.simulator.options import WorldOptions

MS = 1_000_000
KRX_ENDS = (SessionPhase.CLOSED, SessionPhase.PAUSE, SessionPhase.CLOSING_PRICE, SessionPhase.AFTER_MARKET)
SEEN = Reactions(taker_ns=60 * MS, maker_ns=100 * MS)
"""What professionals do about a move that a person makes: the medians of the presets."""


class Listener(Protocol):
    """What the exchange tells: all called while it acts, never re-entering it."""

    def on_execution(
        self, venue: Venue, code: str, order_no: int, price_krw: int, qty: int, ts_ns: int
    ) -> None: ...

    def on_expired(self, order_no: int, ts_ns: int) -> None: ...

    def on_book(self, venue: Venue, code: str, ts_ns: int) -> None: ...

    def on_trade(self, venue: Venue, code: str, price_krw: int, signed_shares: int, ts_ns: int) -> None: ...

    def on_phase(self, venue: Venue, announcement: str, ts_ns: int) -> None: ...

    def on_interruption(
        self, venue: Venue, code: str, vi: Interruption, active: bool, ts_ns: int
    ) -> None: ...


class Exchange:
    """Call `start` once; after that the agenda drives it and the broker sends it orders."""

    def __init__(
        self, listings: list[Listing], options: WorldOptions, day: TradingDay, agenda: Agenda, seed: int
    ) -> None:
        """Raises ValueError where the options name no market preset."""
        self.options, self.day, self.agenda, self._seed = options, day, agenda, seed
        self.instruments = {listing.code: self._instrument(listing) for listing in listings}
        market_ns = day.market_ns(agenda.now_ns)
        self.phases = {venue: day.phase(venue, market_ns) for venue in Venue}
        self._interrupted: set[tuple[str, Venue]] = set()
        self._fades = stream(seed, "fades")
        self.background = Background(self, seed)
        self.listener: Listener

    def _instrument(self, listing: Listing) -> Instrument:
        lower_krw, upper_krw = price_limits(listing.base_krw, listing.ticks)
        ladder = PriceLadder(listing.base_krw, lower_krw, upper_krw, listing.ticks.size)
        stalls = {
            venue: Stall(Makers(self.options, share, listing.base_krw, ladder.top), listing.base_krw)
            for venue, share in ((Venue.KRX, 1.0), (Venue.NXT, self.options.nxt_depth_share))
            if venue is Venue.KRX or listing.nxt
        }
        return Instrument(listing, ladder, stalls)

    def start(self, listener: Listener) -> None:
        """Form the first books and begin to move."""
        self.listener = listener
        self.background.start()
        self._schedule_poll(self.agenda.now_ns)

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
        instrument, ts_ns, left = self.instruments[code], self.agenda.now_ns, order.qty_shares
        book = instrument.stalls[venue].book
        if self.matches(code, venue):
            if order.whole and book.available(order.side, order.limit) < left:
                return left
            executions = book.take(order.side, order.limit, left)
            left -= sum(execution.qty_shares for execution in executions)
            self._report_taker(order, instrument, venue, executions, ts_ns)
        if left and order.rests:
            book.rest(order.order_no, order.side, order.limit, left, order.market)
        if left != order.qty_shares or order.rests:
            self.listener.on_book(venue, code, ts_ns)
        return left

    def withdraw(self, order_no: int, code: str, venue: Venue, qty_shares: int) -> int:
        """Take shares of a resting order off the book; returns how many."""
        taken = self.instruments[code].stalls[venue].book.withdraw(order_no, qty_shares)
        if taken:
            self.listener.on_book(venue, code, self.agenda.now_ns)
        return taken

    def fade(self, code: str, venue: Venue, side: Side, limit: int) -> None:
        """The background an incoming order of `side` aims at shrinks to a random part, for all to see."""
        book = self.instruments[code].stalls[venue].book
        levels = book.asks if side is Side.BUY else book.bids
        aimed_at = [i for i in levels if (i <= limit if side is Side.BUY else i >= limit)]
        for index in aimed_at:
            levels[index] = int(levels[index] * self._fades.random() ** 3)
            if not levels[index]:
                del levels[index]
        if aimed_at:
            self.listener.on_book(venue, code, self.agenda.now_ns)

    # -- what others do -----------------------------------------------------------

    def trade(
        self,
        instrument: Instrument,
        venue: Venue,
        side: Side,
        limit: int,
        shares: int,
        ts_ns: int,
        *,
        at: int | None = None,
        tell: bool = True,
    ) -> int:
        """Somebody takes `shares` up to the index `limit`. Returns how many he got.

        One print, at the last price that he paid or at the index `at`.
        """
        code = instrument.listing.code
        executions = instrument.stalls[venue].book.take(side, limit, shares)
        total = sum(execution.qty_shares for execution in executions)
        self._report_makers(code, venue, executions, ts_ns)
        if executions or at is not None:
            last = executions[-1].index if at is None else at
            total = max(total, 1)
            self._print(instrument, venue, last, total if side is Side.BUY else -total, ts_ns)
        if executions and tell:
            self.listener.on_book(venue, code, ts_ns)
        return total

    def quote(
        self,
        instrument: Instrument,
        venue: Venue,
        bids: dict[int, int],
        asks: dict[int, int],
        ts_ns: int,
        *,
        resumes: bool = False,
        tell: bool = True,
    ) -> None:
        """The others' orders on a venue are these from now on; where they cross ours, ours trade."""
        code, book = instrument.listing.code, instrument.stalls[venue].book
        executions = book.reshape(bids, asks, self.matches(code, venue), resumes)
        self._report_makers(code, venue, executions, ts_ns)
        if tell:
            self.listener.on_book(venue, code, ts_ns)

    # -- interventions ------------------------------------------------------------

    def halt(self, code: str, halted: bool) -> None:
        self.instruments[code].halted = halted

    def delist(self, code: str, delisted: bool) -> None:
        """Take the symbol off NXT's list, or put it on again."""
        self.instruments[code].delisted = delisted

    def cross(self, code: str, venue: Venue, bps: int, ms: int, shares: int, rich: bool) -> None:
        """Somebody's order crosses now: a bid on `venue` above the other's ask (`rich`), or a cheap ask.

        It stands for `ms` and nobody contests it; its shares are there once.
        """
        instrument = self.instruments[code]
        event = Visit(Cause.SMALL, venue, rich, bps, shares, ms * MS, SEEN, sizes=0.5)
        self.background.visit(instrument, event, self.agenda.now_ns)

    def move(self, code: str, venue: Venue, bps: int, up: bool) -> None:
        """`venue` moves first, by as much as makes a cross of `bps`; professionals race for the rest."""
        event = Move(venue, up, SEEN, sizes=0.5, cross_bps=bps)
        self.background.move(self.instruments[code], event, self.agenda.now_ns)

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

    # -- prints ---------------------------------------------------------------------

    def _report_makers(self, code: str, venue: Venue, executions: list[Execution], ts_ns: int) -> None:
        prices = self.instruments[code].ladder.prices
        for execution in executions:
            if execution.maker is not None:
                price_krw = prices[execution.index]
                self.listener.on_execution(
                    venue, code, execution.maker, price_krw, execution.qty_shares, ts_ns
                )

    def _report_taker(
        self, order: Incoming, instrument: Instrument, venue: Venue, executions: list[Execution], ts_ns: int
    ) -> None:
        code, prices = instrument.listing.code, instrument.ladder.prices
        self._report_makers(code, venue, executions, ts_ns)
        for execution in executions:
            price_krw, shares = prices[execution.index], execution.qty_shares
            self.listener.on_execution(venue, code, order.order_no, price_krw, shares, ts_ns)
            signed = shares if order.side is Side.BUY else -shares
            self._print(instrument, venue, execution.index, signed, ts_ns)

    def _print(
        self, instrument: Instrument, venue: Venue, index: int, signed_shares: int, ts_ns: int
    ) -> None:
        """A trade of continuous matching. One too far from the last starts a VI (market rules 2.3)."""
        stall, code = instrument.stalls[venue], instrument.listing.code
        price_krw, last_krw = instrument.ladder.prices[index], stall.last_krw
        stall.print(price_krw, abs(signed_shares))
        self.listener.on_trade(venue, code, price_krw, signed_shares, ts_ns)
        self.background.answer(instrument, venue, Side.BUY if signed_shares > 0 else Side.SELL, index, ts_ns)
        if stall.vi is None and abs(price_krw - last_krw) * 10_000 >= last_krw * self.options.vi_bps:
            self._interrupt(instrument, venue, price_krw, last_krw)

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
        """The single price of an auction. A halted symbol has none: what rests there goes on resting."""
        instrument = self.instruments[code]
        stall = instrument.stalls.get(venue)
        if stall is None or instrument.halted:
            return
        rng = stream(self._seed, code, venue, "auction", str(self.day.market_ns(due_ns) // SECOND_NS))
        buys, sells = (rng.randint(*self.options.auction_shares) for _ in range(2))
        last = instrument.ladder.at_or_below(stall.last_krw)
        printed = uncross(stall.book, last, buys, sells)
        self._report_makers(code, venue, printed.executions, due_ns)
        for order in [order for order in stall.book.own.values() if order.market]:
            stall.book.withdraw(order.order_no)
            self.listener.on_expired(order.order_no, due_ns)
        if printed.qty_shares:
            price_krw = instrument.ladder.prices[printed.index]
            stall.print(price_krw, printed.qty_shares)
            self.listener.on_trade(venue, code, price_krw, printed.qty_shares, due_ns)
        self.background.resume(instrument, venue, rng.random(), due_ns)
