"""Sessions, halts, registrations, books and the lease: the market side of the gateway."""

import datetime as dt
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import CODES_PER_SCREEN, LEASE_CANCEL_AFTER_MS, LEASE_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.market_data import BookTrouble, QuoteUpdated
from services.contracts.messages.orders import CommandDenied
from services.contracts.messages.venue_state import (
    DayFactsPublished,
    EntryWindowChanged,
    FeedLivenessChanged,
    HaltKind,
    PriceBand,
    SessionPhaseChanged,
    SymbolHaltChanged,
)
from services.contracts.reasons import GateReason
from services.contracts.terms import SessionPhase, Side, Symbol, TradingDate, TradingState, Venue
from services.gateway.book_feed import BookFeed, book_fids, whole
from services.gateway.effects import Query, ReadMaster
from services.gateway.facts import Clocked, Interrupted, SessionSignalled
from services.gateway.lease import Lease, entry_id_ns
from services.gateway.outbox import Outbox, Quote
from services.gateway.session_desk import NEVER, SessionDesk
from services.gateway.subscriptions import changes, chosen, plan
from services.gateway.vi_halts import HaltBoard, is_halted
from services.market.dates import time_of_day_ns
from services.market.files import load_market
from services.market.market_clock import REAL_TIME, compressed_day
from services.market.phases import PhaseTracker
from services.market.venue_view import VenueView
from services.runtime.settings import config_dir

from .desk import (
    DATE,
    SYMBOL,
    Desk,
    at,
    chejan,
    exit_order,
    fresh,
    log_in,
    order,
    ready,
    reference,
    restarted,
)

RULES = load_market(config_dir())
GUARDS_AND_SWEEPS = [at(9, 1), at(15, 19), at(15, 20), at(19, 59), at(20, 0)]
EDGES_S = [
    *(edge_ns // NS_PER_S for edge_ns in RULES.timetable.day(DATE).boundaries_ns()),
    *((edge_ns - at(0, 0)) // NS_PER_S for edge_ns in GUARDS_AND_SWEEPS),
]
SYMBOLS = [Symbol(f"{n:06d}") for n in range(1, 251)]


class TestSession:
    def passed(self, clock: Any, first_ns: int, last_ns: int, steps: int) -> list[Any]:
        desk, said = SessionDesk(PhaseTracker(RULES.fid215)), []
        for step in range(steps + 1):
            desk, messages = desk.now(clock, RULES, first_ns + (last_ns - first_ns) * step // steps)
            said += messages
        return said

    def test_a_day_passes_through_its_phases_once(self) -> None:
        said = self.passed(REAL_TIME, at(7, 50), at(20, 10), 12 * 60 * 4)
        nxt = [m.phase for m in said if isinstance(m, SessionPhaseChanged) and m.venue is Venue.NXT]
        assert nxt == [
            SessionPhase.CLOSED, SessionPhase.PRE_MARKET, SessionPhase.PAUSE, SessionPhase.CONTINUOUS,
            SessionPhase.PAUSE, SessionPhase.AFTER_INTAKE, SessionPhase.AFTER_MARKET, SessionPhase.CLOSED,
        ]  # fmt: skip

    def test_the_window_opens_after_its_guard_and_names_its_end(self) -> None:
        said = self.passed(REAL_TIME, at(8, 59), at(9, 2), 180)
        (opened,) = [m for m in said if isinstance(m, EntryWindowChanged) and m.open]
        assert opened.market_time == "09:01:00"
        assert opened.closes_at_ns == at(15, 19)

    def test_a_compressed_day_has_the_same_messages(self) -> None:
        day = compressed_day(RULES.timetable.day(DATE), 1_000_000_000_000, 60)
        said = self.passed(day, 1_000_000_000_000, 1_060_000_000_000, 6_000)
        windows = [(m.open, m.sweep) for m in said if isinstance(m, EntryWindowChanged)]
        assert (True, False) in windows
        assert (False, True) in windows

    @given(
        edges_s=st.lists(st.sampled_from(EDGES_S), min_size=2),
        values=st.lists(st.sampled_from(" 0348PQRSTU@"), min_size=4),
    )
    def test_what_is_kept_between_two_edges_is_what_looking_anew_gives(
        self, edges_s: list[int], values: list[str]
    ) -> None:
        moments_s = [moment_s for edge_s in sorted(edges_s) for moment_s in (edge_s - 1, edge_s)]
        kept = anew = SessionDesk(PhaseTracker(RULES.fid215))
        for moment_s, value in zip_longest(moments_s, values[: len(moments_s)], fillvalue=""):
            now_ns = at(0, 0) + int(moment_s) * NS_PER_S
            kept, said = kept.now(REAL_TIME, RULES, now_ns)
            anew, said_anew = replace(anew, steady=NEVER).now(REAL_TIME, RULES, now_ns)
            assert (said, kept) == (said_anew, anew)
            if value:
                kept, anew = kept.observe(str(value))[0], anew.observe(str(value))[0]

    def test_a_new_date_tells_its_phases_to_readers_who_forgot_those_of_the_old(self) -> None:
        view = VenueView()
        for message in self.passed(REAL_TIME, at(19, 50), at(24, 10), 260):
            view = view.after(message)
        assert view.trading_date == TradingDate("2026-11-24")
        assert view.phases == dict.fromkeys(Venue, SessionPhase.CLOSED)

    def test_fid_215_shortens(self, desk: Desk) -> None:
        desk.feed(SessionSignalled("S"))
        desk.tick()
        assert desk.told(SessionPhaseChanged)[-1].phase is SessionPhase.PAUSE
        assert desk.told(EntryWindowChanged)[-1].open is False

    def test_fid_215_never_opens(self, desk: Desk) -> None:
        desk.now_ns = at(15, 25)
        desk.tick()
        for value in "3RU":
            desk.feed(SessionSignalled(value))
            desk.tick()
        assert not any(phase.matches_continuously for phase in desk.state.session.phases.values())
        assert desk.told(EntryWindowChanged)[-1].open is False

    def test_an_unknown_value_changes_nothing(self, desk: Desk) -> None:
        before = desk.state.session.phases
        desk.feed(SessionSignalled("@"))
        desk.tick()
        assert desk.state.session.phases == before

    @pytest.mark.parametrize("date", ["2026-11-22", "2028-01-01", "2025-03-03"])
    def test_a_closed_or_unknown_date_never_opens(self, date: str) -> None:
        noon = int(dt.datetime.fromisoformat(f"{date}T12:00:00+09:00").timestamp()) * 1_000_000_000
        desk, _ = SessionDesk(PhaseTracker(RULES.fid215)).now(REAL_TIME, RULES, noon)
        assert not desk.window.open
        assert desk.trading_date == TradingDate(date)
        assert set(desk.phases.values()) == {SessionPhase.CLOSED}

    def test_a_new_date_forgets_orders_and_disarms(self, desk: Desk) -> None:
        desk.now_ns += 24 * 3600 * 1_000_000_000
        desk.tick()
        assert desk.state.trading_date == TradingDate("2026-11-24")
        assert not desk.state.control.in_force.allows_exits


class TestHalts:
    def vi(self, released: str = "000000", code: str = "005930", began: str = "100001") -> Interrupted:
        return Interrupted(
            {9001: code, 1221: "210000", 1223: began, 1224: released, 1225: "동적    ", 1279: "+동적"}
        )

    def halts(self, desk: Desk) -> list[tuple[Venue, bool]]:
        found = desk.told(SymbolHaltChanged)
        return [(m.venue, m.halted) for m in found if m.kind is HaltKind.VOLATILITY_INTERRUPTION]

    def test_a_vi_seen_twice_is_told_once(self, desk: Desk) -> None:
        for code in ("005930", "A005930", "005930_AL", "005930"):
            desk.feed(self.vi(code=code))
        desk.feed(self.vi(released="100210"))
        assert self.halts(desk) == [(Venue.KRX, True), (Venue.KRX, False)]

    def test_a_late_copy_of_its_beginning_does_not_bring_it_back(self, desk: Desk) -> None:
        desk.feed(self.vi(released="100210"))
        desk.feed(self.vi())
        assert (Venue.KRX, True) not in self.halts(desk)

    def test_each_venue_has_its_own(self, desk: Desk) -> None:
        desk.feed(self.vi(code="005930_NX"))
        assert self.halts(desk) == [(Venue.NXT, True)]

    def test_symbols_of_others_are_of_no_concern(self, desk: Desk) -> None:
        desk.feed(self.vi(code="999990"))
        assert self.halts(desk) == []

    def test_one_that_is_active_is_known_to_the_next_process_and_its_end_is_told(self, desk: Desk) -> None:
        """Readers forget all halts with a new connection: what the gateway forgot, nobody knew."""
        desk.feed(self.vi())
        again = log_in(restarted(desk))
        assert self.halts(again) == [(Venue.KRX, True)]
        again.run(4)
        again.hear(order(again.now_ns), "o")
        assert again.told(CommandDenied)[-1].reason is GateReason.SYMBOL_HALTED
        again.feed(self.vi(released="100210"))
        assert self.halts(again)[-1] == (Venue.KRX, False)

    def test_one_whose_release_the_process_before_missed_ends_by_itself(self, desk: Desk) -> None:
        desk.feed(self.vi())
        desk.now_ns = at(10, 11)
        again = log_in(restarted(desk))
        again.tick()
        assert not again.state.halts.halted(SYMBOL, Venue.KRX)

    def test_one_whose_release_was_missed_ends_by_itself(self, desk: Desk) -> None:
        desk.feed(self.vi())
        desk.now_ns = at(10, 9)
        desk.tick()
        assert desk.state.halts.halted(SYMBOL, Venue.KRX)
        desk.now_ns = at(10, 10, 30)
        desk.tick()
        assert not desk.state.halts.halted(SYMBOL, Venue.KRX)

    def test_one_reason_lifted_leaves_the_other(self) -> None:
        board, _ = HaltBoard().set(SYMBOL, Venue.NXT, HaltKind.TRADING_HALT, True)
        board, _ = board.set(SYMBOL, Venue.NXT, HaltKind.NOT_ELIGIBLE, True)
        board, (change,) = board.set(SYMBOL, Venue.NXT, HaltKind.TRADING_HALT, False)
        assert not change.halted
        assert board.halted(SYMBOL, Venue.NXT) == {HaltKind.NOT_ELIGIBLE}

    @pytest.mark.parametrize(
        ("text", "halted"), [("증거금100%|거래정지", True), ("증거금40%|신용가능", False), ("", False)]
    )
    def test_the_brokers_words_for_a_halt(self, text: str, halted: bool) -> None:
        assert is_halted(text) is halted


class TestReadAgain:
    """What the control says of the symbols is asked for again all day, at no query's cost."""

    def test_each_symbol_has_its_turn_in_the_time_that_is_set(self) -> None:
        desk = ready(fresh(facts_every_s=2))
        symbols = [entry.krx_code for entry in reference().symbols]
        desk.effects.clear()
        desk.run(2)
        asked = [effect.symbols for effect in desk.effects if isinstance(effect, ReadMaster)]
        assert [len(each) for each in asked] == [2, 2]
        assert sorted(symbol for each in asked for symbol in each) == sorted(symbols)

    def test_a_day_without_news_says_nothing_and_asks_the_broker_nothing(self) -> None:
        desk = ready(fresh(facts_every_s=1))
        desk.said.clear()
        desk.effects.clear()
        desk.run(10)
        told = (DayFactsPublished, SymbolHaltChanged)
        assert [message for message in desk.said if isinstance(message, told)] == []
        queries = {effect.trcode for effect in desk.effects if isinstance(effect, Query)}
        assert queries & {"OPTKWFID", "OPT10054"} == set()

    def test_a_symbol_that_left_the_list_is_told_once_and_registered_on_krx_only(self) -> None:
        desk = ready(fresh(facts_every_s=1))
        bands = desk.told(DayFactsPublished)[-1].bands
        desk.unlisted = frozenset({SYMBOL})
        desk.said.clear()
        desk.run(5)
        (facts,) = desk.told(DayFactsPublished)
        assert SYMBOL not in facts.nxt_eligible
        assert facts.bands == bands
        (change,) = desk.told(SymbolHaltChanged)
        assert (change.symbol, change.venue, change.kind, change.halted) == (
            SYMBOL, Venue.NXT, HaltKind.NOT_ELIGIBLE, True,
        )  # fmt: skip
        codes = {code for item in desk.state.registered for code in item.codes}
        assert SYMBOL in codes
        assert f"{SYMBOL}_NX" not in codes

    def test_a_halt_in_the_day_stops_both_venues_and_its_end_is_seen_within_two_seconds(self) -> None:
        desk = ready(fresh(facts_every_s=60))
        desk.halted = frozenset({SYMBOL})
        desk.run(60)
        assert all(desk.state.halts.halted(SYMBOL, venue) for venue in Venue)
        desk.halted = frozenset()
        desk.run(2)
        assert not any(desk.state.halts.halted(SYMBOL, venue) for venue in Venue)

    def test_what_the_pair_of_a_symbol_that_left_holds_is_sold_on_krx(self) -> None:
        desk = ready(fresh(facts_every_s=1))
        bought(desk)
        desk.unlisted = frozenset({SYMBOL})
        desk.run(3)
        desk.hear(order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2"), "entry")
        assert desk.told(CommandDenied)[-1].reason is GateReason.SYMBOL_HALTED
        desk.hear(exit_order(desk.now_ns, venue=Venue.KRX), "exit")
        assert desk.sends[-1].order_id == "P1.1.s.1"

    def test_a_symbol_taken_off_the_map_keeps_its_feed_until_it_is_sold(self) -> None:
        """Risk switches a symbol off that left the list; its pair still sells by these books."""
        desk = ready(fresh())
        bought(desk)
        disabled = tuple(entry.model_copy(update={"enabled": False}) for entry in reference().symbols)
        without = reference().model_copy(update={"symbols": disabled})
        desk.hear(
            ReferencePublished(reference=without, reference_hash=without.hash, by="t", reason="t"), "off"
        )
        assert {code for item in desk.state.registered for code in item.codes} == {SYMBOL, f"{SYMBOL}_NX"}

    def test_orders_have_the_thread_first(self) -> None:
        desk = ready(fresh(facts_every_s=1))
        desk.hear(order(desk.now_ns), "o")
        desk.effects.clear()
        desk.run(2)
        assert desk.sends
        assert not [effect for effect in desk.effects if isinstance(effect, ReadMaster)]


def bought(desk: Desk) -> None:
    desk.hear(order(desk.now_ns), "entry-of-P1")
    desk.answer(desk.sends[-1], "0000101")
    desk.frame(
        **chejan(desk.sends[-1], "0000101", "체결", remaining=0, cum=10, amount=10 * 199_500, last="10")
    )
    desk.run(1)


class TestSubscriptions:
    @given(st.integers(1, 250), st.integers(1, 250), st.integers(0, 500), st.sets(st.sampled_from(SYMBOLS)))
    def test_screens_hold_a_hundred_codes_of_one_venue(
        self, count: int, limit: int, turn: int, held: set[Symbol]
    ) -> None:
        symbols = SYMBOLS[:count]
        picked = chosen(symbols, limit, turn, held)
        assert len(picked) == len(set(picked)) == min(count, limit)
        if len(held & set(symbols)) <= limit < count:
            assert held & set(symbols) <= set(picked)
        for item in plan(picked, frozenset(symbols)):
            assert 0 < len(item.codes) <= CODES_PER_SCREEN
            assert len({code.endswith("_NX") for code in item.codes}) == 1

    @given(st.integers(2, 60), st.integers(1, 59), st.integers(0, 9))
    def test_in_turns_everybody_comes(self, count: int, limit: int, held: int) -> None:
        symbols, kept = SYMBOLS[:count], frozenset(SYMBOLS[:held])
        if len(kept & set(symbols)) >= limit or limit >= count:
            return
        seen: set[Symbol] = set()
        for turn in range(count + 1):
            seen |= set(chosen(symbols, limit, turn, kept))
        assert seen == set(symbols)

    def test_two_hundred_symbols_take_four_screens(self) -> None:
        screens = [item.screen for item in plan(SYMBOLS[:200], frozenset(SYMBOLS))]
        assert screens == ["1000", "1001", "2000", "2001"]

    def test_what_nxt_does_not_trade_is_registered_on_krx_only(self) -> None:
        (only,) = plan(SYMBOLS[:1], frozenset())
        assert only.codes == ("000001",)

    def test_a_changed_plan_touches_only_what_changed(self) -> None:
        old, new = plan(SYMBOLS[:150], frozenset(SYMBOLS)), plan(SYMBOLS[:100], frozenset(SYMBOLS))
        dropped, registered = changes(old, new)
        assert dropped == ("1001", "2001")
        assert registered == ()

    def test_nothing_changes_around_the_open(self) -> None:
        desk = ready(fresh(now_ns=at(8, 58, 30), max_symbols=1, rotate_s=5))
        assert desk.state.registered
        before = desk.state.registered
        desk.run(30)
        assert desk.state.registered == before
        desk.now_ns = at(9, 16)
        desk.run(6)
        assert desk.state.registered != before


class TestBook:
    def frame(self, **levels: str) -> dict[int, str]:
        return dict.fromkeys(book_fids(5), "0") | {int(k[1:]): v for k, v in levels.items()}

    def test_signs_are_colour_and_absent_levels_are_left_out(self) -> None:
        values = self.frame(
            f21="100001", f41="-70100", f61="10", f42="+70200", f62="5", f51="--70000", f71="  7",
            f53="69800", f73="2",
        )  # fmt: skip
        quote = BookFeed(5).quote("005930_NX", values.__getitem__, 3, 1)
        assert (quote.symbol, quote.venue) == (SYMBOL, Venue.NXT)
        assert quote.asks == ((70_100, 10), (70_200, 5))
        assert quote.bids == ((70_000, 7), (69_800, 2))
        assert quote.connection_epoch == 3

    @pytest.mark.parametrize(
        ("levels", "trouble"),
        [
            ({"f41": "-70000", "f51": "+70000"}, BookTrouble.LOCKED),
            ({"f41": "-70000", "f51": "+70100"}, BookTrouble.CROSSED),
            ({"f41": "70050"}, BookTrouble.OFF_TICK),
            ({"f41": "91100"}, BookTrouble.OUTSIDE_BAND),
            ({"f41": "70100", "f42": "70000", "f62": "1"}, BookTrouble.UNSORTED),
            ({"f41": "7O100"}, BookTrouble.UNREADABLE),
        ],
    )
    def test_a_frame_that_is_no_book_is_published_without_levels_and_counted(
        self, levels: dict[str, str], trouble: BookTrouble
    ) -> None:
        bands = {SYMBOL: PriceBand(base_krw=70_000, lower_krw=49_000, upper_krw=91_000)}
        values = self.frame(**{"f51": "69900", "f61": "10", "f71": "10", **levels})
        feed = BookFeed(5)
        quote = feed.quote("005930", values.__getitem__, 1, 1, bands=bands)
        assert (quote.bids, quote.asks, quote.feed_seq) == ((), (), 1)
        assert quote.refused is not None and quote.refused.trouble is trouble
        assert feed.refused == {(Venue.KRX, trouble): 1} and feed.last_ns == {Venue.KRX: 1}

    def test_only_the_fids_of_the_wanted_depth_are_read(self) -> None:
        asked: list[int] = []

        def read(fid: int) -> str:
            asked.append(fid)
            return "0" if fid != 21 else "100000"

        BookFeed(1).quote("005930", read, 1, 1)
        assert set(asked) <= {21, 41, 51, 61, 71}

    def test_frames_are_counted_per_book(self) -> None:
        feed, values = BookFeed(1), self.frame()
        seqs = [
            feed.quote(code, values.__getitem__, 1, 1).feed_seq for code in ("005930", "005930_NX", "005930")
        ]
        assert seqs == [1, 1, 2]

    def test_a_print_names_its_aggressor(self) -> None:
        values = {10: "+70100", 15: "-12", 20: "100000"}
        trade = BookFeed(1).trade("005930", values.__getitem__, 1)
        assert (trade.price_krw, trade.qty_shares, trade.aggressor) == (70_100, 12, Side.SELL)

    @given(st.integers(0, 10**9), st.sampled_from(["", "+", "-", "--", " +"]))
    def test_numbers_are_read_whatever_their_sign(self, value: int, sign: str) -> None:
        assert whole(f"{sign}{value} ") == value

    def test_a_silent_feed_of_a_venue_that_trades_is_told(self, desk: Desk) -> None:
        assert {m.venue for m in desk.told(FeedLivenessChanged) if m.alive} == set(Venue)
        last = {Venue.KRX: desk.now_ns, Venue.NXT: desk.now_ns}
        for _ in range(60):
            desk.now_ns += 100 * NS_PER_MS
            last[Venue.KRX] = desk.now_ns
            desk.feed(Clocked(last_book_ns=dict(last)))
        assert [(m.venue, m.alive) for m in desk.told(FeedLivenessChanged)][-1] == (Venue.NXT, False)


class TestOutbox:
    def quote(self, seq: int, venue: Venue = Venue.KRX) -> Quote:
        message = QuoteUpdated(
            symbol=SYMBOL, venue=venue, bids=((seq, 1),), asks=(), exchange_time="100000", connection_epoch=1,
            feed_seq=seq,
        )  # fmt: skip
        return Quote(message, "g1", seq)

    @given(st.lists(st.tuples(st.sampled_from(list(Venue)), st.booleans()), max_size=60))
    def test_every_frame_is_published_or_counted(self, steps: list[tuple[Venue, bool]]) -> None:
        outbox, out = Outbox(), []
        for seq, (venue, taken) in enumerate(steps, 1):
            outbox.put_quote(self.quote(seq, venue))
            if taken:
                out += outbox.take_ticks()[0]
        out += outbox.take_ticks()[0]
        assert sum(1 + quote.message.conflated for quote in out) == len(steps)
        for venue in Venue:
            of_venue = [q.message.feed_seq for q in out if q.message.venue is venue]
            assert of_venue == sorted(of_venue)
            all_of_venue = [seq for seq, (v, _) in enumerate(steps, 1) if v is venue]
            assert of_venue[-1:] == all_of_venue[-1:]

    def test_what_could_not_be_written_gives_way_to_newer(self) -> None:
        outbox = Outbox()
        outbox.put_quote(self.quote(1))
        taken, _ = outbox.take_ticks()
        outbox.put_quote(self.quote(2))
        outbox.put_back(taken)
        ((quote,), _) = outbox.take_ticks()
        assert (quote.message.feed_seq, quote.message.conflated) == (2, 1)


class TestLease:
    @given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(0, 10**12))
    def test_it_is_held_until_the_latest_end_it_was_given(self, ends: list[int], now: int) -> None:
        lease = Lease()
        for end in ends:
            lease = lease.renewed(end, "", TradingState.ARMED, 1)
        assert lease.held(now) is (now < max(ends))

    def test_entries_are_taken_back_only_after_the_longer_time(self) -> None:
        issued = 10**10
        lease = Lease().renewed(issued + LEASE_MS * NS_PER_MS, "", TradingState.ARMED, 1)
        assert not lease.held(issued + LEASE_MS * NS_PER_MS)
        assert not lease.must_cancel(issued + (LEASE_CANCEL_AFTER_MS - 1) * NS_PER_MS)
        assert lease.must_cancel(issued + LEASE_CANCEL_AFTER_MS * NS_PER_MS)

    def test_it_counts_from_the_id_that_redis_gave(self) -> None:
        assert entry_id_ns("1700000000123-4") == 1_700_000_000_123 * NS_PER_MS


def test_market_times_of_settings_are_times_of_day() -> None:
    desk = log_in(fresh())
    assert time_of_day_ns(desk.state.settings.still_from) < time_of_day_ns(desk.state.settings.still_to)
