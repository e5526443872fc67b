"""Real-time registrations, and the frames they make: one book frame per change, per registered code.

Limits as the sheet has them: 100 codes and 100 FIDs a call, 200 screens (Kiwoom sheet 5.2). Frames
cost nothing while nobody is registered for them.
"""

from services.contracts.terms import Side, Venue
from services.simulator.chejan import Touch
from services.simulator.day import hhmmss
from services.simulator.events import Event, Ticked
from services.simulator.frames import (
    BEST,
    BOOK,
    SESSION,
    TRADE,
    VI,
    BestFrame,
    BookFrame,
    TextFrame,
    TradeFrame,
    suffixed,
    types_of,
    unsuffixed,
)
from services.simulator.market.exchange import Exchange
from services.simulator.market.instrument import Interruption
from services.simulator.sessions import Session, Sessions

MAX_CODES = 100
MAX_FIDS = 100
MAX_SCREENS = 200
OVER_CODES, OVER_FIDS, WRONG_INPUT = -204, -206, -105


class Feed:
    def __init__(self, exchange: Exchange, sessions: Sessions) -> None:
        self._exchange, self._sessions, self.faults = exchange, sessions, sessions.faults
        self._wanted: dict[str, list[tuple[Session, frozenset[str]]]] = {}
        self._best: dict[tuple[str, Venue], tuple[int, int]] = {}
        self._second = (-1, "")
        self.frozen: set[Venue] = set()
        """Venues whose frames are held back; their market goes on."""

    # -- registration ------------------------------------------------------------

    def register(self, session: Session, screen: str, codes: str, fids: str, add: bool) -> int:
        """SetRealReg: 0, or the error code; nothing changes on an error."""
        wanted = [code for code in codes.split(";") if code]
        numbers = {int(fid) for fid in fids.split(";") if fid.strip().isdigit()}
        if len(screen) != 4 or not screen.isdigit() or screen == "0000":
            return WRONG_INPUT
        before = session.screens.get(screen, {}) if add else {}
        if len(set(wanted) | {code for code in before if code}) > MAX_CODES:
            return OVER_CODES
        if len(numbers) > MAX_FIDS:
            return OVER_FIDS
        if screen not in session.screens and len(session.screens) >= MAX_SCREENS:
            return WRONG_INPUT
        types = types_of(numbers)
        now = dict(before)
        if SESSION in types:
            now[""] = frozenset({SESSION})
        for code in wanted:
            silent = self._sessions.rng.random() < self.faults.silent_registration_rate
            self._sessions.happened["silent_registration"] += silent
            now[code] = frozenset() if silent else now.get(code, frozenset()) | types
        session.screens[screen] = now
        self.reindex()
        return 0

    def register_by_query(self, session: Session, screen: str, code: str) -> None:
        """The side effect of a query about one symbol (Kiwoom sheet 5.2)."""
        held = session.screens.setdefault(screen, {})
        held[code] = held.get(code, frozenset()) | {TRADE, BOOK, BEST}
        self.reindex()

    def remove(self, session: Session, screen: str, code: str) -> None:
        """SetRealRemove; `ALL` stands for every screen or every code."""
        for name in list(session.screens) if screen == "ALL" else [screen]:
            if code == "ALL":
                session.screens.pop(name, None)
            else:
                session.screens.get(name, {}).pop(code, None)
        self.reindex()

    def reindex(self) -> None:
        """Who wants which code, over all sessions and screens."""
        wanted: dict[str, list[tuple[Session, frozenset[str]]]] = {}
        for session in self._sessions.by_number.values():
            merged: dict[str, frozenset[str]] = {}
            for codes in session.screens.values():
                for code, types in codes.items():
                    merged[code] = merged.get(code, frozenset()) | types
            for code, types in merged.items():
                if session.logged_in:
                    wanted.setdefault(code, []).append((session, types))
        self._wanted = wanted

    # -- reading -------------------------------------------------------------------

    def clock(self) -> str:
        """Market time now as HHmmss."""
        now_ns = self._exchange.agenda.now_ns
        if self._second[0] != now_ns:
            self._second = (now_ns, hhmmss(self._exchange.day.market_ns(now_ns)))
        return self._second[1]

    def touch(self, code: str, venue: Venue) -> Touch:
        """The price state of a symbol on a venue (on KRX when NXT does not trade it)."""
        instrument = self._exchange.instruments[code]
        stall = instrument.stalls.get(venue) or instrument.stalls[Venue.KRX]
        prices = instrument.ladder.prices
        ask, bid = stall.book.best(Side.SELL), stall.book.best(Side.BUY)
        return Touch(
            last_krw=stall.last_krw,
            ask_krw=0 if ask is None else prices[ask],
            bid_krw=0 if bid is None else prices[bid],
            base_krw=instrument.listing.base_krw,
            upper_krw=instrument.ladder.upper_krw,
            lower_krw=instrument.ladder.lower_krw,
        )

    def book_frame(self, code: str, venue: Venue) -> BookFrame:
        instrument = self._exchange.instruments[code]
        book = instrument.stalls[venue].book
        prices = instrument.ladder.prices
        asks = [(prices[index], qty) for index, qty in book.depth(Side.SELL, 10)]
        bids = [(prices[index], qty) for index, qty in book.depth(Side.BUY, 10)]
        return BookFrame(
            hhmmss=self.clock(),
            base_krw=instrument.listing.base_krw,
            asks=asks,
            bids=bids,
            ask_total=sum(qty for _, qty in asks),
            bid_total=sum(qty for _, qty in bids),
            auction=not self._exchange.matches(code, venue),
        )

    # -- what the exchange tells -----------------------------------------------------

    def _post(self, code: str, kind: str, event: Event) -> None:
        for session, types in self._wanted.get(code, ()):
            if kind in types:
                self._sessions.post(session, event)

    def _wants(self, code: str, venue: Venue) -> bool:
        return code in self._wanted and venue not in self.frozen

    def on_book(self, venue: Venue, code: str) -> None:
        name = suffixed(code, venue)
        if not self._wants(name, venue):
            return
        frame = self.book_frame(code, venue)
        self._post(name, BOOK, Ticked(name, frame))
        best = (frame.asks[0][0] if frame.asks else 0, frame.bids[0][0] if frame.bids else 0)
        if self._best.get((code, venue)) != best:
            self._best[code, venue] = best
            self._post(name, BEST, Ticked(name, BestFrame(frame.base_krw, *best)))

    def on_trade(self, venue: Venue, code: str, price_krw: int, signed_shares: int) -> None:
        name = suffixed(code, venue)
        if not self._wants(name, venue):
            return
        stall, touch = self._exchange.instruments[code].stalls[venue], self.touch(code, venue)
        frame = TradeFrame(
            hhmmss=self.clock(),
            base_krw=touch.base_krw,
            price_krw=price_krw,
            signed_shares=signed_shares,
            ask_krw=touch.ask_krw,
            bid_krw=touch.bid_krw,
            volume_shares=stall.volume_shares,
            value_krw=stall.value_krw,
            open_krw=stall.open_krw,
            high_krw=stall.high_krw,
            low_krw=stall.low_krw,
            venue=("1" if venue is Venue.KRX else "2") if self.faults.venue_fids else "",
        )
        self._post(name, TRADE, Ticked(name, frame))

    def on_phase(self, venue: Venue, announcement: str) -> None:
        market_ns = self._exchange.market_ns()
        left = self._exchange.day.time_left(venue, market_ns)
        frame = TextFrame(SESSION, {"215": announcement, "20": self.clock(), "214": left})
        self._post("", SESSION, Ticked("", frame))

    def on_interruption(self, venue: Venue, code: str, vi: Interruption, active: bool) -> None:
        instrument = self._exchange.instruments[code]
        up = vi.trigger_krw > vi.base_krw
        frame = TextFrame(
            VI,
            {
                "9001": suffixed(code, venue),
                "302": f"{instrument.listing.name:<20}",
                "13": str(instrument.stalls[venue].volume_shares),
                "14": str(instrument.stalls[venue].value_krw // 1_000_000),
                "9068": "2",
                "9008": "101" if instrument.listing.market == "KOSPI" else "201",
                "9075": "1",
                "1221": str(vi.trigger_krw),
                "1223": hhmmss(vi.started_market_ns),
                "1224": "000000" if active else self.clock(),
                "1225": f"{'동적':<10}",
                "1236": "0",
                "1237": str(vi.base_krw),
                "1238": "0.00",
                "1239": f"{(vi.trigger_krw - vi.base_krw) * 100 / vi.base_krw:+.2f}",
                "1489": "0.00",
                "1490": "1",
                "9069": "1" if up else "2",
                "1279": "+동적" if up else "-동적",
            },
        )
        rate = self.faults.blank_vi_rate
        if rate and self._sessions.rng.random() < rate:
            self._sessions.happened["blank_vi"] += 1
            frame = TextFrame(VI, frame.values | {"1223": " " * 6})
        for session in self._sessions.by_number.values():
            if session.logged_in and session.vi_on:
                self._sessions.post(session, Ticked(suffixed(code, venue), frame))
                if self._sessions.rng.random() < self.faults.duplicate_vi_rate:
                    again = TextFrame(VI, frame.values | {"9001": f"{code}_AL"})
                    self._sessions.post(session, Ticked(f"{code}_AL", again))

    @staticmethod
    def known_code(code: str, exchange: Exchange) -> bool:
        """Whether a plain or suffixed code names a symbol that its venue trades."""
        plain, venue = unsuffixed(code)
        instrument = exchange.instruments.get(plain)
        return instrument is not None and venue in instrument.stalls
