"""What risk does with accounts, people, strangers' orders, refusals of the broker, and limits exceeded."""

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import LatchSet, SymbolPauseRequested, SymbolResumeRequested
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import CancelRejected, ForeignOrderSeen, OrderRejected, OrderUnknown
from services.contracts.messages.pairs import (
    PairApproved,
    PairClosed,
    PairDenied,
    PairOutcome,
    ResidualMarked,
    StrandReason,
)
from services.contracts.messages.status import ExecutorStatus, OpenPairSeen, RiskStatus
from services.contracts.reasons import DenialReason
from services.contracts.streams import INTENTS, ORDERS, PAIRS, VENUE, Stream, key_of
from services.contracts.terms import Latch, Severity, Side, Symbol, TradingDate, TradingState, Venue
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, account, armed, facts, filled, heartbeat, intent, of, quotes

NEXT_DATE = TradingDate("2026-11-24")


def status(desk: Desk, at_ms: int) -> RiskStatus:
    (said,) = of(desk.tick(at_ms), RiskStatus)
    return said


# -- account ---------------------------------------------------------------------------


def test_the_change_of_cash_is_against_the_first_report_of_the_date_also_after_a_restart() -> None:
    desk = armed()
    desk.tell(account(100_001_693))
    parts = changed_parts(None, desk.state)
    again = Desk(restore(Desk().state, parts))
    again.tell(account(100_002_000))
    assert status(again, 1_000).cash_change_krw == 2_000
    again.tell(*world.date_begins("2026-11-24"), account(5, trading_date="2026-11-24"))
    assert status(again, 2_000).cash_change_krw == 0


def test_what_was_spent_since_the_report_is_not_spent_twice() -> None:
    desk = armed()
    desk.tell(account(800_000), *world.crossing(HYNIX))
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    desk.tell(filled(facts(pair.pair_id, Side.BUY, 5, 350_000)))
    verdict = desk.answer(intent(desk, name="second", symbol=HYNIX))
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.CASH


def test_what_sales_brought_since_the_report_waits_for_the_next_one() -> None:
    desk = armed()
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    desk.tell(filled(facts(pair.pair_id, Side.BUY, 5, 350_000)), account(200_000))
    desk.tell(filled(facts(pair.pair_id, Side.SELL, 5, 352_500)), d.closed(pair.pair_id))
    desk.tell(*world.crossing(HYNIX))
    verdict = desk.answer(intent(desk, name="second", symbol=HYNIX))
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.CASH
    desk.tell(account(551_000))
    assert isinstance(desk.answer(intent(desk, name="third", symbol=HYNIX)), PairApproved)


# -- pairs whose end was lost -------------------------------------------------------------


def executor_names(*pair_ids: str) -> ExecutorStatus:
    named = tuple(
        OpenPairSeen(
            pair_id=pair_id, symbol=SAMSUNG, state="buying", clip=1, uncovered_shares=0, uncovered_krw=0,
            age_ms=0,
        )
        for pair_id in pair_ids
    )  # fmt: skip
    return ExecutorStatus(
        pairs=named, stranded=(), pairs_closed=0, clips=0, uncovered_krw_ms=0, neutral_ms_max=0
    )


def approved(desk: Desk) -> str:
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    return pair.pair_id


def test_what_is_reserved_for_a_pair_that_the_executor_does_not_know_is_freed_and_its_end_told() -> None:
    """An emptied Redis took the approval, or the close: nobody else would ever free it."""
    desk = armed()
    pair_id = approved(desk)
    assert desk.tell(executor_names(), at_ms=1_000) == []
    assert desk.tell(executor_names(), at_ms=10_999) == []
    (end,) = of(desk.tell(executor_names(), at_ms=11_000), PairClosed)
    assert (end.pair_id, end.trip, end.outcome) == (pair_id, False, PairOutcome.NOT_FILLED)
    desk.tell(end, at_ms=11_001)
    assert desk.state.pairs == {} and status(desk, 12_000).exposure_krw == 0


def test_a_lost_close_is_told_with_the_money_of_its_fills() -> None:
    desk = armed()
    pair_id = approved(desk)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)), filled(facts(pair_id, Side.SELL, 5, 352_500)))
    desk.tell(executor_names(), at_ms=1_000)
    (end,) = of(desk.tell(executor_names(), at_ms=11_000), PairClosed)
    desk.tell(end, at_ms=11_001)
    assert end.realised_pnl_krw == status(desk, 12_000).realised_pnl_krw == 1_693
    assert status(desk, 13_100).trips == 1


def test_a_pair_that_is_worked_on_or_holds_something_stays() -> None:
    for name, told in (
        ("named", []),
        ("named again", []),
        ("holds", [facts("", Side.BUY, 5, 350_000)]),
        ("works", [facts("", Side.BUY, 5, 350_000, cum_qty_shares=0, cum_amount_krw=0, closed=False)]),
    ):
        desk = armed()
        pair_id = approved(desk)
        own = {"order_id": f"{pair_id}.1.b.1", "pair_id": pair_id}
        desk.tell(*(filled(fact.model_copy(update=own)) for fact in told))
        for at_ms in range(1_000, 40_000, 1_000):
            named = name == "named" or (name == "named again" and at_ms % 9_000 == 0)
            assert desk.tell(executor_names(*([pair_id] if named else [])), at_ms=at_ms) == [], name
        assert pair_id in desk.state.pairs


# -- orders that are not ours ------------------------------------------------------------


def foreign(number: str = "77", symbol: Symbol = SAMSUNG, **changes: object) -> ForeignOrderSeen:
    values: dict[str, object] = {
        "broker_order_no": number, "symbol": symbol, "venue": Venue.KRX, "side": Side.BUY, "qty_shares": 3,
        "cum_qty_shares": 0, "cum_amount_krw": 0, "closed": False, "trading_date": world.DATE,
    }  # fmt: skip
    return ForeignOrderSeen.model_validate({**values, **changes})


def next_morning() -> list[Message]:
    """All that must have been said on the next date before arming."""
    return [
        message.model_copy(update={"trading_date": NEXT_DATE})
        if hasattr(message, "trading_date")
        else message
        for message in d.opening()
    ]


def resume(symbol: Symbol = SAMSUNG) -> SymbolResumeRequested:
    return SymbolResumeRequested(symbol=symbol, by="kim", reason="it was mine", stop_count=-1)


def test_an_order_nobody_knows_pauses_its_symbol_until_a_person_resumes_it() -> None:
    desk = armed()
    (alert,) = of(desk.tell(foreign()), AlertRaised)
    assert (alert.kind, alert.severity, alert.symbol) == (
        AlertKind.FOREIGN_ORDER,
        Severity.CRITICAL,
        SAMSUNG,
    )
    assert SAMSUNG in desk.state.paused and HYNIX not in desk.state.paused
    desk.tell(foreign(closed=True))
    told = of(desk.tell(resume()), AlertRaised)
    assert [(a.alert_id, a.resolved) for a in told if a.kind is AlertKind.FOREIGN_ORDER] == [
        (alert.alert_id, True)
    ]
    assert desk.state.paused == {}
    assert isinstance(desk.answer(intent(desk)), PairApproved)


def test_more_news_of_an_order_that_a_person_has_claimed_pauses_nothing_again() -> None:
    desk = armed()
    desk.tell(foreign(), resume())
    assert of(desk.tell(foreign(cum_qty_shares=3, closed=True)), AlertRaised) == []
    assert desk.state.paused == {}
    desk.tell(foreign("78"))
    assert SAMSUNG in desk.state.paused


def test_the_alert_of_a_hand_order_ends_with_its_resume_also_on_a_later_date() -> None:
    desk = armed()
    (alert,) = of(desk.tell(foreign(closed=True, cum_qty_shares=3)), AlertRaised)
    desk.tell(*next_morning())
    assert SAMSUNG in desk.state.paused
    told = of(desk.tell(resume()), AlertRaised)
    assert (alert.alert_id, True) in [(a.alert_id, a.resolved) for a in told]


def test_a_hand_order_of_an_earlier_date_stands_against_nothing() -> None:
    """Orders are day orders: nobody ever tells the end of one that died overnight."""
    desk = armed()
    desk.tell(foreign(side=Side.SELL), *next_morning(), resume(), d.ask(TradingState.ARMED))
    desk.tell(*world.crossing())
    verdict = desk.answer(intent(desk, trading_date=NEXT_DATE))
    assert isinstance(verdict, PairApproved), verdict


def test_a_hand_order_before_any_symbol_map_pauses_its_symbol() -> None:
    desk = Desk()
    (alert,) = of(desk.tell(foreign()), AlertRaised)
    assert alert.kind is AlertKind.FOREIGN_ORDER and SAMSUNG in desk.state.paused


def test_a_stranger_in_a_symbol_that_is_not_ours_pauses_nothing() -> None:
    desk = armed()
    assert desk.tell(foreign(symbol=Symbol("105560"))) == []


@pytest.mark.parametrize(("stream", "held"), [(ORDERS, True), (PAIRS, True), (VENUE, True), (INTENTS, False)])
def test_what_risk_could_not_take_in_stops_entries_where_its_books_hang_on_it(
    stream: Stream, held: bool
) -> None:
    desk = armed()
    desk.tell(
        EntryBuried(
            stream_key=key_of(stream), entry_id="7-0", service="risk", reason="odd", tries=3, text="{"
        )
    )
    assert (Latch.RECONCILIATION_DIFFERENCE in desk.state.trading.latched) is held


def test_a_person_pauses_a_symbol_and_it_survives_a_restart() -> None:
    desk = armed()
    desk.tell(SymbolPauseRequested(symbol=SAMSUNG, by="kim", reason="odd prints"))
    again = restore(Desk().state, changed_parts(None, desk.state))
    assert again.paused == {SAMSUNG: "kim: odd prints"}


# -- refusals of the broker ------------------------------------------------------------------


def refusals(kind: type, count: int, first: int = 1) -> list[object]:
    """Refusals of `count` orders; `first` numbers the first of them."""
    order = facts("P", Side.BUY, 5, 0, cum_qty_shares=0)
    numbered = [order.model_copy(update={"order_id": f"P.1.b.{first + n}"}) for n in range(count)]
    if kind is OrderUnknown:
        return [OrderUnknown(facts=one, reason="no reply") for one in numbered]
    return [kind(facts=one, code="-308", text="too fast") for one in numbered]


@pytest.mark.parametrize("kind", [OrderRejected, OrderUnknown, CancelRejected])
def test_refusals_in_a_minute_are_latched_above_the_limit_and_not_at_it(kind: type) -> None:
    desk = armed(world.limits(max_errors_per_minute=3, max_unknowns_per_minute=3))
    desk.tell(*refusals(kind, 3))  # type: ignore[arg-type]
    assert of(desk.tick(20), LatchSet) == []
    desk.tell(*refusals(kind, 1, first=4))  # type: ignore[arg-type]
    assert [m.latch for m in of(desk.tick(30), LatchSet)] == [Latch.REPEATED_ERRORS]


def test_refusals_of_long_ago_do_not_count() -> None:
    desk = armed(world.limits(max_errors_per_minute=3))
    desk.tell(*refusals(OrderRejected, 3))  # type: ignore[arg-type]
    desk.tell(*refusals(OrderRejected, 3, first=4), at_ms=d.NOW + 60_001)  # type: ignore[arg-type]
    assert of(desk.tick(d.NOW + 60_002), LatchSet) == []


def test_the_same_refusal_read_twice_counts_once() -> None:
    desk = armed(world.limits(max_errors_per_minute=1))
    (refusal,) = world.events(refusals(OrderRejected, 1), world.ms(d.NOW))  # type: ignore[arg-type]
    desk.hand(refusal, refusal)
    assert of(desk.tick(20), LatchSet) == []


@pytest.mark.parametrize("kind", [OrderRejected, OrderUnknown])
def test_orders_that_a_gateway_tells_again_after_its_start_are_no_further_refusals(kind: type) -> None:
    desk = armed(world.limits(max_errors_per_minute=3))
    for _ in range(3):
        desk.tell(*refusals(kind, 3))  # type: ignore[arg-type]
    assert of(desk.tick(20), LatchSet) == []


def test_rejections_told_again_long_after_are_neither_counted_nor_alarmed() -> None:
    desk = armed(world.limits(max_errors_per_minute=1))
    desk.tell(*refusals(OrderRejected, 1))  # type: ignore[arg-type]
    desk.tell(*refusals(OrderRejected, 1, first=2), at_ms=d.NOW + 60_001)  # type: ignore[arg-type]
    again = desk.tell(*refusals(OrderRejected, 2), at_ms=d.NOW + 120_002)  # type: ignore[arg-type]
    assert of(again, AlertRaised) == []
    assert of(desk.tick(d.NOW + 120_003), LatchSet) == []


def test_one_code_of_the_broker_is_one_trouble() -> None:
    desk = armed()
    alerts = of(desk.tell(*refusals(OrderRejected, 3)), AlertRaised)  # type: ignore[arg-type]
    assert {alert.alert_id for alert in alerts} == {f"api-{world.DATE}--308"}


def test_a_rejection_that_comes_as_a_message_is_told_by_the_code_in_its_text() -> None:
    (refused,) = refusals(OrderRejected, 1)
    told = refused.model_copy(update={"code": "", "text": "[RC4041] halted"})
    (alert,) = of(armed().tell(told), AlertRaised)
    assert alert.alert_id == f"api-{world.DATE}-RC4041" and alert.title.endswith("RC4041")
    (nameless,) = of(armed().tell(told.model_copy(update={"text": "no"})), AlertRaised)
    assert nameless.title.endswith("no code")


# -- stranded, limits ------------------------------------------------------------------------


def test_a_stranded_position_is_latched_and_stays_counted() -> None:
    desk = armed()
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    desk.tell(filled(facts(pair.pair_id, Side.BUY, 2, 140_000)))
    stranded = ResidualMarked(
        pair_id=pair.pair_id, symbol=SAMSUNG, qty_shares=2, cost_krw=140_000,
        reason=StrandReason.ATTEMPTS_SPENT, detail="six attempts",
    )  # fmt: skip
    assert [m.latch for m in of(desk.tell(stranded), LatchSet)] == [Latch.RESIDUAL_STRANDED]
    said = status(desk, 1_000)
    assert (said.open_pairs, said.exposure_krw) == (1, 140_000)


def test_a_limit_that_sinks_below_what_is_open_is_told_once_and_when_it_is_over() -> None:
    desk = armed()
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    low = world.limits(max_exposure_total_krw=300_000, max_exposure_symbol_krw=300_000, max_order_krw=100_000)
    desk.tell(d.files(low))
    told = of([*desk.tick(1_000), *desk.tick(2_000)], AlertRaised)
    assert [(a.kind, a.resolved) for a in told] == [(AlertKind.LIMIT_BREACH, False)]
    desk.tell(d.closed(pair.pair_id))
    told = of(desk.tick(3_000), AlertRaised)
    assert [(a.kind, a.resolved) for a in told] == [(AlertKind.LIMIT_BREACH, True)]


def test_orders_of_a_pair_that_risk_forgot_still_count_and_block_their_symbol() -> None:
    desk = armed()
    stray = facts("Plost", Side.BUY, 5, 350_000, cum_qty_shares=3, cum_amount_krw=210_000, closed=False)
    desk.tell(filled(stray))
    assert status(desk, 800).exposure_krw == 210_000 + 2 * 70_000
    verdict = desk.answer(intent(desk))
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.PAIR_OPEN
    desk.tell(*world.crossing(HYNIX))
    other = desk.answer(intent(desk, name="second", symbol=HYNIX))
    assert isinstance(other, PairApproved)
    assert status(desk, 1_900).exposure_krw == 2 * 350_000
    desk.tell(d.closed(other.pair_id, symbol=HYNIX))
    desk.tell(*world.date_begins("2026-11-24"))
    assert status(desk, 3_000).exposure_krw == 350_000
    gone = facts("Plost", Side.SELL, 3, 211_500)
    desk.tell(d.order_closed(stray), filled(gone), d.closed("Plost"))
    assert status(desk, 4_000).exposure_krw == 0


def test_a_fill_told_after_its_pair_was_closed_is_exposure_until_the_pair_is_closed_again() -> None:
    desk = armed()
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    nothing = {"outcome": PairOutcome.NOT_FILLED, "trip": False}
    desk.tell(d.closed(pair.pair_id, **nothing))
    assert status(desk, 800).exposure_krw == 0
    late = facts(pair.pair_id, Side.BUY, 5, 350_000)
    desk.tell(filled(late))
    assert status(desk, 1_900).exposure_krw == 350_000
    verdict = desk.answer(intent(desk, name="second"))
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.PAIR_OPEN
    sale = facts(pair.pair_id, Side.SELL, 5, 349_500)
    desk.tell(filled(sale), d.closed(pair.pair_id, closings=2))
    told = status(desk, 3_000)
    assert (told.exposure_krw, told.open_pairs) == (0, 0)
    assert told.realised_pnl_krw == -500 - late.commission_krw - sale.commission_krw - sale.tax_krw


def test_the_status_says_in_sentences_why_nothing_new_is_bought() -> None:
    desk = armed()
    desk.tell(world.window(is_open=False), world.feed(Venue.NXT, alive=False))
    gates = status(desk, 1_000).gates
    assert len(gates) == 2
    assert gates[0] == "The entry window is closed: overlap."
    assert all(gate.endswith(".") for gate in gates)


def test_a_dead_feed_is_told_while_armed_and_when_it_lives_again() -> None:
    desk = armed()
    desk.tell(world.feed(Venue.NXT, alive=False))
    assert of(desk.tick(1_000), AlertRaised) == [], "it may only have blinked"
    (told,) = of(desk.tick(2_000), AlertRaised)
    assert (told.kind, told.resolved) == (AlertKind.STALE_FEED, False)
    desk.tell(world.feed(Venue.NXT), *(heartbeat(s) for s in (*d.REQUIRED, "risk")))
    (told,) = of(desk.tick(3_000), AlertRaised)
    assert (told.kind, told.resolved) == (AlertKind.STALE_FEED, True)


def test_quotes_of_the_past_never_replace_newer_ones() -> None:
    desk = armed()
    newest = quotes(SAMSUNG, 69_000)
    desk.tell(*newest)
    desk.tell(newest[0].model_copy(update={"feed_seq": 1, "bids": ((1_000, 1),)}))
    assert desk.state.books[SAMSUNG, newest[0].venue].quote == newest[0]


def test_an_end_that_is_read_before_the_orders_of_a_lost_pair_is_its_end() -> None:
    """Redis lost the approval with the risk that gave it; the end was told again before the orders."""
    known = armed()
    pair_id = approved(known)
    bought, sold = facts(pair_id, Side.BUY, 5, 350_000), facts(pair_id, Side.SELL, 5, 352_500)
    known.tell(filled(bought), filled(sold), executor_names(), at_ms=1_000)
    (end,) = of(known.tell(executor_names(), at_ms=11_000), PairClosed)
    desk = armed()
    desk.tell(end, at_ms=1_000)
    desk.tell(filled(bought), filled(sold), at_ms=1_001)
    assert desk.state.pairs == {} and sum(desk.state.day.trips.values()) == 1
    assert status(desk, 2_000).realised_pnl_krw == end.realised_pnl_krw
    assert of(desk.tell(executor_names(), at_ms=30_000), PairClosed) == [], "told once"
