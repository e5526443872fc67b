"""Each checker against a world that breaks its invariant: a checker that finds nothing is worth nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.contracts.envelope import Envelope
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import ReconciliationCompleted
from services.contracts.messages.pairs import (
    ClipRecomputed,
    PairApproved,
    PairClosed,
    PairDenied,
    ResidualMarked,
    StrandReason,
)
from services.contracts.terms import TradingDate
from services.executor import clip, rung
from services.executor.pricing import rung_price
from services.gateway import order_desk
from services.risk.checks import money
from services.simulator.options import FaultOptions
from services.simulator.virtual import checkers
from services.simulator.virtual.checkers import Witness, violations
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import build_desk
from services.simulator.virtual.faults import CALM, DayFaults
from services.simulator.virtual.sends import EntrySent


@pytest.fixture(scope="module")
def clean() -> Witness:
    day = VirtualDay(build_desk(Path(__file__).resolve().parents[2] / "config"), 1, CALM)
    day.run()
    assert violations(day.witness) == []
    return day.witness


def broken(clean: Witness, books: Callable[[dict[str, Any]], None] | None = None, **changes: Any) -> Witness:
    """The clean day with its books or sightings spoilt, by copies all the way down."""
    copy = {
        **clean.books,
        "orders": [{**o, "fills": [dict(f) for f in o["fills"]]} for o in clean.books["orders"]],
    }
    copy["arrivals"] = [dict(arrival) for arrival in clean.books["arrivals"]]
    if books is not None:
        books(copy)
    return replace(clean, books=copy, **changes)


def first_filled(books: dict[str, Any], side: str) -> dict[str, Any]:
    order: dict[str, Any] = next(o for o in books["orders"] if o["side"] == side and o["filled_shares"])
    return order


def kept_with(clean: Witness, kind: type[Any], change: Callable[[Any], Any]) -> dict[str, Envelope]:
    """The kept messages with the first of a kind changed, or taken out where the change gives None."""
    kept = dict(clean.kept)
    message_id, envelope = next((i, e) for i, e in kept.items() if isinstance(e.body, kind))
    body = change(envelope.body)
    if body is None:
        del kept[message_id]
    else:
        kept[message_id] = envelope.model_copy(update={"body": body})
    return kept


def test_i1_finds_an_order_that_arrived_twice(clean: Witness) -> None:
    def double(books: dict[str, Any]) -> None:
        books["arrivals"].append(dict(books["arrivals"][0]))

    assert checkers.at_most_once(broken(clean, double))


def test_i1_finds_an_order_sent_again_whose_first_sending_was_lost(clean: Witness) -> None:
    twice = [*clean.could_arrive, clean.could_arrive[0]]
    assert checkers.at_most_once(broken(clean, could_arrive=twice))


def test_i2_finds_more_sold_than_bought(clean: Witness) -> None:
    def oversell(books: dict[str, Any]) -> None:
        first_filled(books, "sell")["fills"][0]["qty_shares"] += 100

    assert checkers.never_oversold(broken(clean, oversell))


def test_i2_finds_more_bought_than_approved(clean: Witness) -> None:
    def overbuy(books: dict[str, Any]) -> None:
        first_filled(books, "buy")["fills"][0]["qty_shares"] += 100

    assert checkers.never_oversold(broken(clean, overbuy))


def test_i2_finds_a_sell_of_more_than_is_free_though_the_broker_refused_it(clean: Witness) -> None:
    greedy = replace(clean.exits[0], qty_shares=clean.exits[0].free_shares + 1)
    assert checkers.never_oversold(broken(clean, exits=[greedy]))


def test_i3_finds_a_risk_that_ignores_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of a virtual day bind: without them risk approves more, and the day's own sums show it."""
    monkeypatch.setattr(money, "total_exposure_krw", lambda state: 0)
    desk = build_desk(Path(__file__).resolve().parents[2] / "config")
    for seed in range(1, 6):
        day = VirtualDay(desk, seed, CALM)
        day.run()
        if checkers.exposure_within_limits(day.witness):
            return
    pytest.fail("five days without any exposure above the limit: the limits do not bind")


def test_i3_finds_a_passed_limit(clean: Witness) -> None:
    assert checkers.exposure_within_limits(broken(clean, exposures=[(1, "005930", 99_000_000)]))


def test_i3_finds_a_second_open_pair_of_a_symbol(clean: Witness) -> None:
    assert checkers.exposure_within_limits(broken(clean, second_pairs=[(1, "P2", "P1")]))


def test_i3_finds_a_trip_beyond_the_limit(clean: Witness) -> None:
    assert checkers.exposure_within_limits(broken(clean, trips_passed=[(1, "P2", 20)]))


@pytest.mark.parametrize(
    "change",
    [{"halted": True}, {"armed": False}, {"lease_left_ns": -1}, {"lease_beyond_ns": 1}],
    ids=["in a halt", "not armed", "without a lease", "on a lease that is held too long"],
)
def test_i4_finds_an_entry_after_a_stop(clean: Witness, change: dict[str, Any]) -> None:
    late: EntrySent = replace(clean.entries[0], **change)
    assert checkers.no_entry_after_a_stop(broken(clean, entries=[late]))


@pytest.mark.parametrize(("by_person", "found"), [(False, 1), (True, 0)])
def test_i4_finds_a_sale_in_a_halt_that_no_person_ordered(
    clean: Witness, by_person: bool, found: int
) -> None:
    sold = replace(clean.exits[0], halted=True, by_person=by_person)
    assert len(checkers.no_entry_after_a_stop(broken(clean, exits=[sold]))) == found


@pytest.mark.parametrize("field", ["cum_qty_shares", "cum_amount_krw", "commission_krw", "tax_krw"])
def test_i5_finds_a_gateway_that_knows_another_figure(clean: Witness, field: str) -> None:
    assert clean.known is not None
    order_id, facts = next((i, f) for i, f in clean.known.items() if f.cum_qty_shares)
    wrong = facts.model_copy(update={field: getattr(facts, field) + 1})
    assert checkers.our_books_are_the_brokers(broken(clean, known={**clean.known, order_id: wrong}))


def test_i5_finds_an_order_that_the_gateway_does_not_know(clean: Witness) -> None:
    assert checkers.our_books_are_the_brokers(broken(clean, known={}))


def test_i5_finds_a_difference_that_the_gateway_sees_where_there_is_none(clean: Witness) -> None:
    told = ReconciliationCompleted(
        trading_date=TradingDate("2026-11-23"), connection_epoch=1, differences=("one share",)
    )
    said = {**clean.said, "x": Envelope.wrap(told, source="gateway", now_ns=1, causation_id="x")}
    assert checkers.our_books_are_the_brokers(broken(clean, said=said))


def test_i5_finds_a_lost_fill(clean: Witness) -> None:
    def forget(pair: PairClosed) -> PairClosed:
        return pair.model_copy(update={"bought_shares": pair.bought_shares + 1})

    assert checkers.our_books_are_the_brokers(broken(clean, kept=kept_with(clean, PairClosed, forget)))


def test_i5_finds_a_pair_of_which_the_broker_knows_nothing(clean: Witness) -> None:
    def never_traded(books: dict[str, Any]) -> None:
        books["orders"].clear()

    assert checkers.our_books_are_the_brokers(broken(clean, never_traded))


def test_i6_finds_a_pair_that_nobody_closed(clean: Witness) -> None:
    assert checkers.everything_closes(broken(clean, kept=kept_with(clean, PairClosed, lambda pair: None)))


def test_i6_finds_shares_of_a_pair_that_no_stream_names(clean: Witness) -> None:
    def forget_the_sell(books: dict[str, Any]) -> None:
        first_filled(books, "sell")["filled_shares"] = 0

    nameless = {i: e for i, e in clean.kept.items() if not isinstance(e.body, PairApproved | PairClosed)}
    assert checkers.everything_closes(broken(clean, forget_the_sell, kept=nameless))


def stranded(clean: Witness) -> dict[str, Envelope]:
    """The kept messages with the first closed pair named as stranded instead."""
    kept = dict(clean.kept)
    message_id, envelope = next((i, e) for i, e in kept.items() if isinstance(e.body, PairClosed))
    mark = ResidualMarked(
        pair_id=envelope.body.pair_id, symbol=envelope.body.symbol, qty_shares=1, cost_krw=1,
        reason=StrandReason.NO_VENUE, detail="",
    )  # fmt: skip
    kept[message_id] = envelope.model_copy(update={"body": mark})
    return kept


def test_i6_wants_an_alarm_for_a_stranded_position(clean: Witness) -> None:
    silent = {i: e for i, e in clean.said.items() if not isinstance(e.body, AlertRaised)}
    late = broken(clean, kept=stranded(clean), said=silent, healed_in_time=False)
    assert checkers.everything_closes(late)


def test_i6_finds_a_residual_that_was_given_up_too_early(clean: Witness) -> None:
    assert checkers.everything_closes(broken(clean, given_up=[("P1", 3, 5)]))


def test_i6_takes_no_stranded_position_where_all_venues_trade_on(clean: Witness) -> None:
    found = checkers.everything_closes(broken(clean, kept=stranded(clean)))
    assert any("though all venues traded on" in sentence for sentence in found)


def test_i7_finds_a_won(clean: Witness) -> None:
    def miscount(pair: PairClosed) -> PairClosed:
        return pair.model_copy(update={"realised_pnl_krw": pair.realised_pnl_krw + 1})

    assert checkers.money_to_the_won(broken(clean, kept=kept_with(clean, PairClosed, miscount)))


@pytest.mark.parametrize("what", ["commission_krw", "tax_krw"])
def test_i7_finds_a_won_between_two_costs(clean: Witness, what: str) -> None:
    def miscount(pair: PairClosed) -> PairClosed:
        return pair.model_copy(update={what: getattr(pair, what) + 1})

    assert checkers.money_to_the_won(broken(clean, kept=kept_with(clean, PairClosed, miscount)))


@pytest.mark.parametrize("what", ["commission_krw", "tax_krw"])
def test_i7_finds_an_account_that_does_not_charge_by_the_rates(clean: Witness, what: str) -> None:
    def overcharge(books: dict[str, Any]) -> None:
        first_filled(books, "sell")[what] += 1

    found = checkers.money_to_the_won(broken(clean, overcharge))
    assert any("by the rates" in sentence for sentence in found)


def test_i7_finds_a_won_in_the_books_of_risk(clean: Witness) -> None:
    assert clean.risk_cash_flow_krw
    assert checkers.money_to_the_won(broken(clean, risk_cash_flow_krw=clean.risk_cash_flow_krw + 1))


@pytest.mark.parametrize("what", ["max_orders_per_s", "max_queries_per_s"])
def test_i8_finds_a_sixth_in_a_second(clean: Witness, what: str) -> None:
    assert checkers.within_the_brokers_rates(broken(clean, lambda books: books.update({what: 6})))


@pytest.mark.parametrize("what", ["orders_refused", "queries_refused"])
def test_i8_finds_one_that_the_broker_turned_away(clean: Witness, what: str) -> None:
    """The broker lets only five in, so that those it let in never show a sixth."""
    assert checkers.within_the_brokers_rates(broken(clean, lambda books: books.update({what: 1})))


def test_i8_finds_an_order_after_a_refusal_for_the_rate(clean: Witness) -> None:
    assert checkers.within_the_brokers_rates(broken(clean, rushed=[(1, "P1.1.b.1")]))


@pytest.mark.parametrize("change", [{"calls": 4}, {"calls": 2, "owed": 2}, {"calls": 3, "sell_needs": 2}])
def test_i12_finds_an_entry_that_left_no_room_for_a_sell(clean: Witness, change: dict[str, Any]) -> None:
    greedy: EntrySent = replace(clean.entries[0], **{"calls": 0, "owed": 0, "sell_needs": 1, **change})
    assert checkers.exits_have_room(broken(clean, entries=[greedy]))
    fits = replace(greedy, calls=greedy.calls - 1)
    assert not checkers.exits_have_room(broken(clean, entries=[fits]))


def test_i12_finds_an_entry_that_left_late(clean: Witness) -> None:
    late = replace(clean.entries[0], waited_ns=201_000_000)
    assert checkers.exits_have_room(broken(clean, entries=[late]))


def test_i12_finds_a_gateway_that_forgets_what_exits_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_desk, "shortage", lambda *_: "")
    day = VirtualDay(build_desk(Path(__file__).resolve().parents[2] / "config"), 1, CALM)
    day.run()
    assert checkers.exits_have_room(day.witness)


def test_i12_finds_a_gateway_that_sends_entries_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_desk, "ENTRY_WAIT_NS", 1_500_000_000)
    day = VirtualDay(build_desk(Path(__file__).resolve().parents[2] / "config"), 1, CALM)
    day.run()
    assert any("after its arrival" in sentence for sentence in checkers.exits_have_room(day.witness))


@pytest.mark.parametrize("change", [{"window_open": False}, {"venue_continuous": False}])
def test_i9_finds_an_entry_outside_the_windows(clean: Witness, change: dict[str, Any]) -> None:
    late: EntrySent = replace(clean.entries[0], **change)
    assert checkers.only_in_the_windows(broken(clean, entries=[late]))


def test_i9_finds_an_order_left_over_a_pause(clean: Witness) -> None:
    assert checkers.only_in_the_windows(broken(clean, left_over=[(1, "P1.1.b.1")]))


def test_i10_finds_own_orders_that_could_have_met(clean: Witness) -> None:
    assert checkers.own_orders_never_meet(broken(clean, opposed=[(1, "P1.1.s.1")]))


def test_i10_finds_a_sell_that_is_asked_for_where_its_buy_works(clean: Witness) -> None:
    assert checkers.own_orders_never_meet(broken(clean, asked_against=[("P1.1.s.1", "P1.1.b.1")]))


def test_i10_finds_own_orders_that_met(clean: Witness) -> None:
    assert checkers.own_orders_never_meet(broken(clean, lambda books: books.update(self_trades=1)))


def test_i13_finds_an_order_that_left_after_its_command_ended(clean: Witness) -> None:
    late_entry = replace(clean.entries[0], expired_ns=1)
    late_exit = replace(clean.exits[0], expired_ns=1)
    assert len(checkers.within_what_was_decided(broken(clean, entries=[late_entry], exits=[late_exit]))) == 2


@pytest.mark.parametrize(("beyond_krw", "found"), [(0, 0), (1, 1)])
def test_i13_finds_an_entry_above_its_approval(clean: Witness, beyond_krw: int, found: int) -> None:
    sent = clean.entries[0]
    dear = replace(sent, price_krw=sent.bounds.most_krw + beyond_krw)
    assert len(checkers.within_what_was_decided(broken(clean, entries=[dear]))) == found


@pytest.mark.parametrize(("beyond", "found"), [(0, 0), (1, 1)])
def test_i13_finds_an_entry_of_more_than_a_clip(clean: Witness, beyond: int, found: int) -> None:
    sent = clean.entries[0]
    large = replace(sent, qty_shares=sent.clip_shares + beyond)
    assert len(checkers.within_what_was_decided(broken(clean, entries=[large]))) == found


@pytest.mark.parametrize(("beyond_krw", "found"), [(0, 0), (1, 1)])
def test_i13_finds_a_sell_below_what_its_purchase_cost(clean: Witness, beyond_krw: int, found: int) -> None:
    sent = next(sent for sent in clean.exits if sent.bounds.least_krw)
    cheap = replace(sent, price_krw=sent.bounds.least_krw - beyond_krw)
    assert len(checkers.within_what_was_decided(broken(clean, exits=[cheap]))) == found


def test_i13_finds_an_executor_that_sells_below_break_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "sell_limit", lambda floor, bids, *_: bids[-1][0])
    assert any("which is beyond" in sentence for seed in range(1, 6) for sentence in sentences(seed, CALM))


def test_i13_finds_a_ladder_that_begins_at_the_bid(monkeypatch: pytest.MonkeyPatch) -> None:
    lame = lambda limits, bid, attempt, *rest: rung_price(limits, bid, attempt - 1, *rest)  # noqa: E731
    monkeypatch.setattr(rung, "rung_price", lame)
    faults = replace(CALM, broker=FaultOptions(fade_rate=0.8))
    assert any("which is beyond" in sentence for seed in range(1, 6) for sentence in sentences(seed, faults))


def sentences(seed: int, faults: DayFaults) -> list[str]:
    """What I13 says of a day."""
    day = VirtualDay(build_desk(Path(__file__).resolve().parents[2] / "config"), seed, faults)
    day.run()
    return checkers.within_what_was_decided(day.witness)


def test_i14_finds_what_is_told_and_is_not_so(clean: Witness) -> None:
    """What is not so, `Statements` knows: its own tests are in test_statements.py."""
    assert checkers.told_as_it_is(broken(clean, untrue=["a sentence"]))


def test_i11_finds_a_decision_that_does_not_follow_from_its_inputs(clean: Witness) -> None:
    def bend(intent: TradeIntent) -> TradeIntent:
        return intent.model_copy(update={"net_edge_krw": intent.net_edge_krw + 1})

    assert checkers.decisions_recompute(broken(clean, kept=kept_with(clean, TradeIntent, bend)))


@pytest.mark.parametrize(
    "field", ["qty_shares", "clip_shares", "buy_limit_krw", "sell_limit_krw", "expires_at_ns"]
)
def test_i11_finds_an_approval_that_its_intent_does_not_give(clean: Witness, field: str) -> None:
    def bend(pair: PairApproved) -> PairApproved:
        return pair.model_copy(update={field: getattr(pair, field) + 1})

    assert checkers.decisions_recompute(broken(clean, kept=kept_with(clean, PairApproved, bend)))


def test_i11_finds_a_denial_for_a_limit_that_was_not_reached(clean: Witness) -> None:
    def bend(denied: PairDenied) -> PairDenied:
        return denied.model_copy(update={"detail": "worst_krw=1 limit_krw=2"})

    assert checkers.decisions_recompute(broken(clean, kept=kept_with(clean, PairDenied, bend)))


def test_i11_finds_a_clip_that_its_quotes_do_not_give(clean: Witness) -> None:
    def bend(clip: ClipRecomputed) -> ClipRecomputed:
        return clip.model_copy(update={"net_edge_krw": clip.net_edge_krw + 1})

    assert checkers.decisions_recompute(broken(clean, kept=kept_with(clean, ClipRecomputed, bend)))


def test_i11_finds_a_clip_that_went_on_without_an_edge(clean: Witness) -> None:
    def go_on(clip: ClipRecomputed) -> ClipRecomputed:
        return clip.model_copy(update={"proceed": True, "quote_sell": clip.quote_buy})

    assert checkers.decisions_recompute(broken(clean, kept=kept_with(clean, ClipRecomputed, go_on)))
