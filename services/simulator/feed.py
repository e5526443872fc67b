"""Real-time registrations, and the frames they make of what the venues do.

Each code of a venue has a `Channel` that conflates its books and trades and takes them to the server. Whoever
is registered there when they arrive gets them through his session's line. Limits as the sheet has them: 100
codes and 100 FIDs a call, 200 screens (Kiwoom sheet 5.2).
"""

from collections import defaultdict
from typing import Protocol

from services.contracts.terms import Side, Venue
from services.simulator.chejan import Touch
from services.simulator.conflation import Channel, Frames
from services.simulator.crossings import NOTHING, Best, Crossings
from services.simulator.day import hhmmss
from services.simulator.events import Ticked
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
    kind_of,
    suffixed,
    types_of,
    unsuffixed,
)
from services.simulator.latency import LatencyOptions, Load, Way
from services.simulator.market.exchange import Exchange
from services.simulator.market.instrument import Interruption
from services.simulator.sessions import Session, Sessions

MAX_CODES = 100
MAX_FIDS = 100
MAX_SCREENS = 200
OVER_CODES, OVER_FIDS, WRONG_INPUT = -204, -206, -105


class BookWatcher(Protocol):
    """Who looks at best bids and asks: as they are, and as their frames arrive that left at `left_ns`."""

    def moved(self, code: str, venue: Venue, best: Best, now_ns: int) -> None: ...

    def arrived(self, code: str, venue: Venue, best: Best, left_ns: int, now_ns: int) -> None: ...


class Feed:
    def __init__(self, exchange: Exchange, sessions: Sessions, latency: LatencyOptions, seed: int) -> None:
        self._exchange, self._sessions, self.faults = exchange, sessions, sessions.faults
        self._latency, self.seed = latency, seed
        self._wanted: dict[str, list[tuple[Session, frozenset[str]]]] = {}
        self._loads = {venue: Load(len(exchange.instruments)) for venue in Venue}
        self._channels: dict[tuple[str, Venue], Channel] = {}
        self._to_send: defaultdict[tuple[str, Venue], dict[str, Ticked | None]] = defaultdict(dict)
        """By code and venue what its channel is to send, by kind. A book is made when it leaves."""
        self._best: dict[tuple[str, Venue], tuple[int, int]] = {}
        self._second = (-1, "")
        self.crossings = Crossings()
        self.watchers: list[BookWatcher] = [self.crossings]
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

    # -- on the way ------------------------------------------------------------------

    def _channel(self, code: str, venue: Venue) -> Channel:
        key = (code, venue)
        if key not in self._channels:
            way = Way(self._latency.feed_ms, self.seed, "feed", venue, code)
            self._channels[key] = Channel(
                self._exchange.agenda, way, self._loads[venue], self._latency.frames_per_s,
                lambda: self._leaving(code, venue),
                lambda frames, left_ns: self._arrive(venue, frames, left_ns),
            )  # fmt: skip
        return self._channels[key]

    def _leaving(self, code: str, venue: Venue) -> Frames:
        """The frames of a code as its venue is now."""
        to_send = self._to_send.pop((code, venue), {})
        name = suffixed(code, venue)
        if not self._wants(name, venue):
            return ()
        found = [trade for trade in (to_send.get(TRADE),) if trade is not None]
        if BOOK in to_send:
            book = self.book_frame(code, venue)
            found.append(Ticked(name, book))
            best = (book.asks[0][0] if book.asks else 0, book.bids[0][0] if book.bids else 0)
            if self._best.get((code, venue)) != best:
                self._best[code, venue] = best
                found.append(Ticked(name, BestFrame(book.base_krw, *best)))
        return tuple(found)

    def _arrive(self, venue: Venue, frames: Frames, left_ns: int) -> None:
        """Frames of one code have reached the server: each session that wants them has them on its line."""
        name = frames[0].code
        for session, types in self._receivers(name, frames):
            wanted = tuple(ticked for ticked in frames if kind_of(ticked.frame) in types)
            if wanted:
                self._sessions.send_frames(session, wanted)
        for ticked in frames:
            if isinstance(ticked.frame, BookFrame):
                self._shown(unsuffixed(name)[0], venue, ticked.frame.touch, left_ns)

    def _shown(self, code: str, venue: Venue, best: Best, left_ns: int) -> None:
        now_ns = self._exchange.agenda.now_ns
        for watcher in self.watchers:
            watcher.arrived(code, venue, best, left_ns, now_ns)

    def _receivers(self, name: str, frames: Frames) -> list[tuple[Session, frozenset[str]]]:
        """Who is registered for a code. VI frames go to whoever has asked for the list of them."""
        if kind_of(frames[0].frame) != VI:
            return self._wanted.get(name, [])
        sessions = self._sessions.by_number.values()
        return [(session, frozenset({VI})) for session in sessions if session.logged_in and session.vi_on]

    def _wants(self, name: str, venue: Venue) -> bool:
        return name in self._wanted and venue not in self.frozen

    # -- what the exchange tells -----------------------------------------------------

    def on_book(self, venue: Venue, code: str) -> None:
        best, now_ns = self._best_of(code, venue), self._exchange.agenda.now_ns
        for watcher in self.watchers:
            watcher.moved(code, venue, best, now_ns)
        if self._wants(suffixed(code, venue), venue):
            self._to_send[code, venue][BOOK] = None
            self._channel(code, venue).changed()

    def _best_of(self, code: str, venue: Venue) -> tuple[int, int]:
        """Best bid and ask of a venue that matches continuously, else nothing."""
        if not self._exchange.matches(code, venue):
            return NOTHING
        touch = self.touch(code, venue)
        return touch.bid_krw, touch.ask_krw

    def on_trade(self, venue: Venue, code: str, price_krw: int, signed_shares: int) -> None:
        self._loads[venue].add(self._exchange.agenda.now_ns)
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
        self._to_send[code, venue][TRADE] = Ticked(name, frame)
        self._channel(code, venue).changed()

    def on_phase(self, venue: Venue, announcement: str) -> None:
        market_ns = self._exchange.market_ns()
        left = self._exchange.day.time_left(venue, market_ns)
        frame = TextFrame(SESSION, {"215": announcement, "20": self.clock(), "214": left})
        self._channel("", venue).send((Ticked("", frame),))

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
        frames: Frames = (Ticked(suffixed(code, venue), frame),)
        if self._sessions.rng.random() < self.faults.duplicate_vi_rate:
            frames += (Ticked(f"{code}_AL", TextFrame(VI, frame.values | {"9001": f"{code}_AL"})),)
        self._channel(code, venue).send(frames)

    @staticmethod
    def known_code(code: str, exchange: Exchange) -> bool:
        """Whether a plain or suffixed code names a symbol that its venue trades."""
        plain, venue = unsuffixed(code)
        instrument = exchange.instruments.get(plain)
        return instrument is not None and venue in instrument.stalls
