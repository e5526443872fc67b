"""When a detector speaks, when it must not, and that what it said can be computed again."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.envelope import Message
from services.contracts.limits import CLOCK_SKEW_MS, INTENT_TTL_MS
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.intents import CrossEnded, TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import PairApproved, PairClosed, PairDenied, PairOutcome
from services.contracts.messages.status import DetectorStatus
from services.contracts.messages.venue_state import ConnectionState, HaltKind, SymbolHaltChanged
from services.contracts.reasons import DenialReason
from services.contracts.step import Event
from services.contracts.terms import SessionPhase, Side, Symbol, Venue
from services.detector.core import decide
from services.detector.intents import recomputed
from services.detector.state import DetectorState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG, T0, ms, quote, received


class Detector:
    """A core and all it said."""

    def __init__(self, group: str = "g1") -> None:
        self.state = DetectorState(group=group)
        self.said: list[Message] = []

    def tell(self, *told: Event) -> list[Message]:
        """Hand over events; returns what was said in answer to these."""
        out: list[Message] = []
        for event in told:
            step = decide(self.state, event)
            self.state = step.state
            out += [outgoing.message for outgoing in step.out]
        self.said += out
        return out

    def morning(self, in_force: Message | None = None) -> "Detector":
        opening = [in_force or world.published(world.reference()), *world.morning()]
        self.tell(*world.events(opening, T0))
        return self

    def see(self, quotes: Iterable[QuoteUpdated], at_ms: int) -> list[TradeIntent]:
        return intents(self.tell(*world.events(quotes, ms(at_ms))))


def intents(messages: Iterable[Message]) -> list[TradeIntent]:
    return [message for message in messages if isinstance(message, TradeIntent)]


def only(messages: Iterable[Message], kind: type) -> list[Message]:
    return [message for message in messages if isinstance(message, kind)]


def approved(intent_id: str, at_ms: int, symbol: Symbol = SAMSUNG, pair_id: str = "P1") -> PairApproved:
    return PairApproved(
        pair_id=pair_id, intent_id=intent_id, symbol=symbol, trading_date=world.DATE, buy_venue=Venue.KRX,
        sell_venue=Venue.NXT, qty_shares=5, clip_shares=1, buy_limit_krw=70_000, sell_limit_krw=70_500,
        approved_at_ns=ms(at_ms), expires_at_ns=ms(at_ms + 1_500), reference_hash="h",
    )  # fmt: skip


def denied(intent_id: str, at_ms: int) -> PairDenied:
    return PairDenied(
        intent_id=intent_id, symbol=SAMSUNG, reason=DenialReason.CASH, detail="", decided_at_ns=ms(at_ms)
    )


def closed(at_ms: int, *, trip: bool = True, pair_id: str = "P1", residual: int = 0) -> PairClosed:
    return PairClosed(
        pair_id=pair_id, symbol=SAMSUNG, outcome=PairOutcome.FLAT, trip=trip, clips=1, bought_shares=1,
        bought_krw=70_000, sold_shares=1, sold_krw=70_500, commission_krw=20, tax_krw=141,
        realised_pnl_krw=339, residual_shares_max=residual, neutral_ms=1, uncovered_krw_ms=1, opened_at_ns=T0,
        closed_at_ns=ms(at_ms),
    )  # fmt: skip


# -- speaking --------------------------------------------------------------------------


def test_a_cross_above_its_threshold_is_an_intent_with_its_figures() -> None:
    detector = Detector().morning()
    (intent,) = detector.see(world.crossing(), 10)
    assert (intent.symbol, intent.qty_shares) == (SAMSUNG, 5)
    assert (intent.side_a.venue, intent.side_a.side, intent.side_a.price_krw) == (Venue.KRX, Side.BUY, 70_000)
    assert (intent.side_b.venue, intent.side_b.side, intent.side_b.price_krw) == (
        Venue.NXT,
        Side.SELL,
        70_500,
    )
    assert intent.gross_edge_krw == 5 * 500
    # 350,000 bought: 52 commission. 352,500 sold: 51 commission, 176 + 528 tax (KRX 0.015 %, NXT 0.0145 %).
    assert intent.cost_krw == 52 + 51 + 176 + 528
    assert intent.net_edge_krw == 2_500 - intent.cost_krw
    assert intent.decided_at_ns == ms(10)
    assert intent.expires_at_ns == ms(10 + INTENT_TTL_MS)
    assert intent.reference_hash == world.reference().hash


def test_the_other_direction_is_seen_as_well() -> None:
    detector = Detector().morning()
    quotes = (quote(Venue.NXT, 69_900, 70_000), quote(Venue.KRX, 70_500, 70_600))
    (intent,) = detector.see(quotes, 10)
    assert (intent.side_a.venue, intent.side_b.venue) == (Venue.NXT, Venue.KRX)


def test_two_quotes_lead_to_one_intent_however_often_they_come() -> None:
    buy, sell = (received(q, ms(10), cause=f"q{i}") for i, q in enumerate(world.crossing()))
    first, again = Detector().morning(), Detector().morning()
    (one,) = intents(first.tell(buy, sell))
    (two,) = intents(again.tell(buy, sell))
    assert one.intent_id == two.intent_id
    assert intents(first.tell(buy, sell)) == []


def test_the_same_two_quotes_are_spoken_of_once_even_after_their_verdict() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    (intent,) = detector.see(world.crossing(), 10)
    detector.tell(received(denied(intent.intent_id, 20), ms(20)))
    assert intents(detector.tell(world.tick(ms(100)))) == []
    assert len(detector.see([quote(Venue.NXT, 70_500, 70_600)], 110)) == 1


def test_the_verdict_on_another_intent_does_not_settle_this_one() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    detector.see(world.crossing(), 10)
    detector.tell(received(denied("another", 20), ms(20)))
    assert detector.see(world.crossing(), 30) == []


def _halt(symbol: Symbol, venue: Venue) -> Message:
    return SymbolHaltChanged(symbol=symbol, venue=venue, kind=HaltKind.VOLATILITY_INTERRUPTION, halted=True)


Spoil = Callable[[Detector], None]


def _after_morning(*messages: Message) -> Spoil:
    return lambda detector: detector.tell(*world.events(messages, T0)) and None


def _before_any(*left_out: type[Message]) -> Spoil:
    def spoil(detector: Detector) -> None:
        detector.state = DetectorState(group="g1")
        opening = [world.published(world.reference()), *world.morning()]
        detector.tell(*world.events([m for m in opening if not isinstance(m, left_out)], T0))

    return spoil


OFF = world.reference(symbols=(world.entry(SAMSUNG, enabled=False),))
MOVED = world.reference(symbols=(world.entry(SAMSUNG, "g2"),))
ONE_TRIP = world.published(world.reference(world.limits(max_trips_per_symbol=0)))
YESTERDAY = world.published(world.reference(trading_date="2026-11-20"))
DEAR = world.published(world.reference(world.limits(buffer_bps=60)))

SPOILED: dict[str, Spoil] = {
    "no reference": _before_any(type(world.published(world.reference()))),
    "reference of another date": _after_morning(YESTERDAY),
    "symbol disabled": _after_morning(world.published(OFF)),
    "symbol of another group": _after_morning(world.published(MOVED)),
    "costs unknown": _after_morning(world.published(world.reference(costs={}))),
    "no facts of the day": _before_any(type(world.facts())),
    "not eligible": _after_morning(world.facts(symbols=())),
    "no phase known": _before_any(type(world.phase(Venue.KRX))),
    "KRX pauses": _after_morning(world.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)),
    "NXT pauses": _after_morning(world.phase(Venue.NXT, SessionPhase.PAUSE)),
    "window never announced": _before_any(type(world.window())),
    "window closed": _after_morning(world.window(is_open=False)),
    "window over by its own time": _after_morning(world.window(closes_at_ns=ms(10))),
    "KRX feed dead": _after_morning(world.feed(Venue.KRX, alive=False)),
    "NXT feed dead": _after_morning(world.feed(Venue.NXT, alive=False)),
    "feeds never announced": _before_any(type(world.feed(Venue.KRX))),
    "halt on KRX": _after_morning(_halt(SAMSUNG, Venue.KRX)),
    "VI on NXT": _after_morning(_halt(SAMSUNG, Venue.NXT)),
    "connection never announced": _before_any(type(world.connection())),
    "disconnected": _after_morning(world.connection(ConnectionState.DISCONNECTED)),
    "synchronising": _after_morning(world.connection(ConnectionState.SYNCHRONISING)),
    "books of an older connection": _after_morning(world.connection(epoch=2)),
    "trips spent": _after_morning(ONE_TRIP),
    "edge below the threshold": _after_morning(DEAR),
    "a pair is open": _after_morning(approved("other", -5_000)),
    "cooling down": _after_morning(denied("other", -500)),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_nothing_is_said_where_one_condition_is_missing(spoil: Spoil) -> None:
    sound, spoiled = Detector().morning(), Detector().morning()
    assert len(sound.see(world.crossing(), 10)) == 1
    spoil(spoiled)
    assert spoiled.see(world.crossing(), 10) == []


@pytest.mark.parametrize(
    ("buy_age_ms", "sell_age_ms", "speaks"),
    [
        (0, 0, True),
        (2_000, 1_000, True),
        (2_001, 1_000, False),
        (0, 1_001, False),
        (1_600, 0, False),
        (-CLOCK_SKEW_MS, 0, True),
        (-CLOCK_SKEW_MS - 1, 0, False),
        (0, -CLOCK_SKEW_MS - 1, False),
    ],
)
def test_age_is_strict_on_the_sell_leg_and_skew_is_bounded(
    buy_age_ms: int, sell_age_ms: int, speaks: bool
) -> None:
    detector = Detector().morning()
    buy, sell = world.crossing()
    at = ms(10_000)
    detector.tell(received(buy, at, event_ns=ms(10_000 - buy_age_ms)))
    said = intents(detector.tell(received(sell, at, event_ns=ms(10_000 - sell_age_ms))))
    assert bool(said) is speaks


def test_a_book_of_an_older_connection_is_no_book() -> None:
    detector = Detector().morning()
    buy, sell = world.crossing()
    detector.tell(received(buy, ms(10)))
    newer = sell.model_copy(update={"connection_epoch": 2})
    assert intents(detector.tell(received(newer, ms(10)))) == []


def test_an_older_frame_never_replaces_a_newer_one() -> None:
    detector = Detector().morning()
    buy, sell = world.crossing()
    late = quote(Venue.KRX, 70_400, 70_500, seq=buy.feed_seq - 1)
    assert len(detector.see((buy, late, sell), 10)) == 1


# -- one at a time -----------------------------------------------------------------------


def test_an_intent_pends_until_its_verdict_or_its_expiry() -> None:
    detector = Detector().morning()
    (intent,) = detector.see(world.crossing(), 10)
    assert detector.see(world.crossing(), 400) == []
    assert len(detector.see(world.crossing(), 10 + INTENT_TTL_MS)) == 1
    assert intent.intent_id != detector.state.said[SAMSUNG].intent_id


def test_a_denied_symbol_cools_down_from_its_verdict() -> None:
    detector = Detector().morning()
    (intent,) = detector.see(world.crossing(), 10)
    detector.tell(received(denied(intent.intent_id, 50), ms(60)))
    assert detector.see(world.crossing(), 1_049) == []
    assert len(detector.see(world.crossing(), 1_050)) == 1


def test_nothing_is_said_between_approval_and_close_and_the_cooldown_after_it() -> None:
    detector = Detector().morning()
    (intent,) = detector.see(world.crossing(), 10)
    detector.tell(received(approved(intent.intent_id, 50), ms(60)))
    assert detector.see(world.crossing(), 5_000) == []
    detector.tell(received(closed(6_000), ms(6_001)))
    assert detector.see(world.crossing(), 6_999) == []
    assert len(detector.see(world.crossing(), 7_000)) == 1


def test_an_open_pair_of_one_symbol_does_not_silence_another() -> None:
    detector = Detector().morning()
    detector.tell(received(approved("x", 5), ms(6)))
    assert len(detector.see(world.crossing(world.HYNIX), 10)) == 1


def test_a_quiet_cross_is_spoken_of_when_the_cooldown_ends_without_a_new_quote() -> None:
    detector = Detector().morning()
    detector.tell(received(denied("other", -800), T0))
    assert detector.see(world.crossing(), 10) == []
    assert intents(detector.tell(world.tick(ms(100)))) == []
    assert len(intents(detector.tell(world.tick(ms(201))))) == 1


def test_trips_count_pairs_with_a_fill_on_their_own_date() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(max_trips_per_symbol=1))))
    detector.tell(received(approved("a", 5), ms(5)), received(closed(10, trip=False), ms(10)))
    assert len(detector.see(world.crossing(), 2_000)) == 1
    again = approved("b", 2_100, pair_id="P2")
    detector.tell(received(again, ms(2_100)), received(closed(2_200, pair_id="P2"), ms(2_200)))
    assert detector.see(world.crossing(), 9_000) == []


def test_what_decides_whether_it_may_speak_survives_a_restart() -> None:
    detector = Detector().morning()
    detector.tell(received(approved("x", 5), ms(6)))
    parts = changed_parts(None, detector.state)
    reborn = Detector()
    reborn.state = restore(DetectorState(group="g1"), parts)
    assert reborn.see(world.crossing(), 5_000) == []
    reborn.tell(received(closed(6_000), ms(6_000)))
    assert len(reborn.see(world.crossing(), 7_500)) == 1


def test_a_pair_whose_close_was_lost_silences_its_symbol_for_its_own_date_only() -> None:
    detector = Detector().morning()
    (spoken,) = detector.see(world.crossing(), 10)
    yesterday = approved(spoken.intent_id, 20).model_copy(update={"trading_date": "2026-11-20"})
    detector.tell(received(approved(spoken.intent_id, 20), ms(20)))
    assert detector.see(world.crossing(), 9_000) == []
    again = Detector().morning()
    again.tell(received(yesterday, ms(20)))
    assert len(again.see(world.crossing(), 9_000)) == 1


# -- recomputing (I11) ---------------------------------------------------------------------


@given(
    st.integers(0, 12).map(lambda n: 70_000 + n * 100),
    st.lists(st.integers(0, 9), min_size=2, max_size=2),
    st.integers(1, 100),
    st.integers(1, 20),
)
def test_an_intent_can_be_computed_again_from_its_own_quotes(
    bid_krw: int, sizes: list[int], pct: int, pair_shares: int
) -> None:
    in_force = world.reference(world.limits(max_displayed_share_pct=pct, max_pair_shares=pair_shares))
    detector = Detector().morning(world.published(in_force))
    buy = quote(Venue.KRX, 69_900, 70_000, qty=sizes[0] + 1)
    sell = quote(Venue.NXT, bid_krw, bid_krw + 100, qty=sizes[1] + 1)
    for intent in detector.see((buy, sell), 10):
        assert recomputed(intent, in_force) == intent
        assert intent.qty_shares <= min(pair_shares, (sum(sizes) + 2) * 2)


# -- measuring -----------------------------------------------------------------------------


def test_a_cross_is_measured_from_its_opening_to_its_end() -> None:
    detector = Detector().morning()
    detector.see(world.crossing(), 100)
    detector.see([quote(Venue.NXT, 70_700, 70_800)], 300)
    (ended,) = only(detector.tell(received(quote(Venue.NXT, 70_000, 70_100), ms(650))), CrossEnded)
    assert isinstance(ended, CrossEnded)
    assert (ended.buy_venue, ended.sell_venue, ended.opened_at_ns) == (Venue.KRX, Venue.NXT, ms(100))
    assert ended.duration_ms == 550
    assert ended.peak_qty_shares == 5
    assert ended.peak_net_edge_krw > 5 * 500


def test_a_cross_is_measured_while_a_pair_is_open_and_outside_the_window() -> None:
    detector = Detector().morning()
    detector.tell(received(approved("x", 5), ms(5)), received(world.window(is_open=False), ms(5)))
    detector.see(world.crossing(), 100)
    said = detector.tell(received(quote(Venue.NXT, 70_000, 70_100), ms(650)))
    assert len(only(said, CrossEnded)) == 1


def test_a_cross_ends_when_a_venue_stops_trading() -> None:
    detector = Detector().morning()
    detector.see(world.crossing(), 100)
    detector.tell(received(_halt(SAMSUNG, Venue.NXT), ms(200)))
    (ended,) = only(detector.tell(world.tick(ms(250))), CrossEnded)
    assert isinstance(ended, CrossEnded) and ended.duration_ms == 150


def test_a_gap_that_does_not_pay_its_costs_is_no_cross() -> None:
    detector = Detector().morning()
    detector.see((quote(Venue.KRX, 69_900, 70_000), quote(Venue.NXT, 70_100, 70_200)), 100)
    detector.see([quote(Venue.NXT, 69_900, 70_000)], 200)
    assert only(detector.said, CrossEnded) == []


def test_too_good_to_be_true_is_told_once_and_resolved_and_never_an_intent() -> None:
    detector = Detector().morning()
    assert detector.see((quote(Venue.KRX, 69_900, 70_000), quote(Venue.NXT, 80_000, 80_100)), 10) == []
    assert detector.see([quote(Venue.NXT, 80_100, 80_200)], 20) == []
    detector.see([quote(Venue.NXT, 70_000, 70_100)], 30)
    alerts = [alert for alert in detector.said if isinstance(alert, AlertRaised)]
    assert [(alert.kind, alert.resolved) for alert in alerts] == [
        (AlertKind.SPREAD_ANOMALY, False),
        (AlertKind.SPREAD_ANOMALY, True),
    ]
    assert len({alert.alert_id for alert in alerts}) == 1


def standing(limit_ms: int = 1_000) -> Detector:
    """A cross that has stood for as long as it may; books stay fresh."""
    limits = world.limits(max_cross_ms=limit_ms, cooldown_ms=0)
    detector = Detector().morning(world.published(world.reference(limits)))
    assert detector.see(world.crossing(), 0) != []
    assert only(detector.tell(world.tick(ms(limit_ms))), AlertRaised) == []
    return detector


def test_a_cross_that_nobody_takes_is_left_and_told_once() -> None:
    detector = standing()
    (alert,) = only(detector.tell(world.tick(ms(1_001))), AlertRaised)
    assert isinstance(alert, AlertRaised) and alert.kind is AlertKind.SPREAD_ANOMALY
    assert detector.see(world.crossing(), 1_500) == []
    assert only(detector.tell(world.tick(ms(1_600))), AlertRaised) == []


def test_a_cross_that_was_told_of_is_ended_by_a_detector_that_was_restarted_meanwhile() -> None:
    """Else its alert never ends, and a ghost is traded on until it has stood for as long again."""
    detector = Detector().morning(world.published(world.reference(world.limits(max_cross_ms=5_000))))
    detector.see(world.crossing(), 100)
    (told,) = only(detector.tell(world.tick(ms(5_200))), AlertRaised)
    reborn = Detector()
    reborn.state = restore(DetectorState(group="g1"), changed_parts(None, detector.state))
    assert reborn.see(world.crossing(), 5_400) == []
    assert only(reborn.said, AlertRaised) == []
    said = reborn.tell(*world.events([quote(Venue.NXT, 69_000, 69_100)], ms(6_000)))
    assert [(a.alert_id, a.resolved) for a in said if isinstance(a, AlertRaised)] == [(told.alert_id, True)]
    (ended,) = only(said, CrossEnded)
    assert ended.opened_at_ns == ms(100)


def test_once_it_has_ended_the_next_cross_is_spoken_of_again() -> None:
    detector = standing()
    detector.tell(world.tick(ms(1_001)))
    over = detector.tell(*world.events([quote(Venue.NXT, 69_900, 70_000)], ms(1_100)))
    assert [a.resolved for a in over if isinstance(a, AlertRaised)] == [True]
    assert detector.see(world.crossing(), 1_200) != []


def test_a_cross_that_our_own_pair_took_is_no_ghost() -> None:
    detector = standing()
    (intent,) = intents(detector.said)
    detector.tell(*world.events([approved(intent.intent_id, 100), closed(900)], ms(900)))
    assert only(detector.tell(world.tick(ms(1_800))), AlertRaised) == []
    assert detector.see(world.crossing(), 1_850) != []


# -- status ---------------------------------------------------------------------------------


def status(detector: Detector, at_ms: int) -> DetectorStatus:
    (said,) = only(detector.tell(world.tick(ms(at_ms))), DetectorStatus)
    assert isinstance(said, DetectorStatus)
    return said


def test_the_status_names_the_best_spreads_of_its_own_group_best_first() -> None:
    detector = Detector().morning()
    quotes: list[QuoteUpdated] = [*world.crossing(), *world.crossing(world.OTHER_GROUP)]
    quotes += [quote(venue, 69_900, 70_000, symbol=world.HYNIX) for venue in Venue]
    detector.see(quotes, 10)
    said = status(detector, 2_000)
    assert [spread.symbol for spread in said.spreads] == [SAMSUNG, world.HYNIX]
    best, losing = said.spreads
    assert best.net_edge_krw > 0 > losing.net_edge_krw
    assert best.age_ms == 1_990
    assert (said.symbols, said.quotes, said.intents) == (2, 6, 1)


def test_the_status_comes_about_once_a_second_and_counts_what_was_skipped() -> None:
    detector = Detector().morning()
    detector.see([quote(Venue.KRX, 69_900, 70_000, seq=10)], 10)
    detector.see([quote(Venue.KRX, 69_900, 70_000, seq=15, conflated=1)], 20)
    assert status(detector, 1_000).quotes_skipped == 3
    assert detector.tell(world.tick(ms(1_999))) == []
    assert len(detector.tell(world.tick(ms(2_000)))) == 1
