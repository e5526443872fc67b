"""Each invariant against a record that breaks it: an invariant that finds nothing is worth nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.contracts.envelope import Envelope
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import (
    OrderResolved,
    OrderUnknown,
    ReconciliationCompleted,
    Resolution,
)
from services.contracts.messages.pairs import (
    ClipRecomputed,
    PairApproved,
    PairClosed,
    PairDenied,
    ResidualMarked,
    StrandReason,
)
from services.contracts.terms import TradingDate
from services.lab import invariants
from services.lab.breach import facts_of
from services.lab.broker_books import BrokerBooks
from services.lab.invariants import violations
from services.lab.record import Record
from services.lab.sends import EntrySent
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import build_desk
from services.simulator.virtual.faults import CALM


@pytest.fixture(scope="module")
def clean() -> Record:
    day = VirtualDay(build_desk(Path(__file__).resolve().parents[2] / "config"), 7, CALM)
    day.run()
    assert violations(day.witness) == []
    return day.witness


def broken(clean: Record, books: Callable[[dict[str, Any]], None] | None = None, **changes: Any) -> Record:
    """The clean day with its books or sightings spoilt, by copies all the way down."""
    copy = clean.truth.model_dump()
    for name in ("orders", "arrivals"):
        copy[name] = list(copy[name])
    if books is not None:
        books(copy)
    return replace(clean, books=BrokerBooks.model_validate(copy), **changes)


def first_filled(books: dict[str, Any], side: str) -> dict[str, Any]:
    order: dict[str, Any] = next(o for o in books["orders"] if o["side"] == side and o["filled_shares"])
    return order


def kept_with(clean: Record, kind: type[Any], change: Callable[[Any], Any]) -> dict[str, Envelope]:
    """The kept messages with the first of a kind changed, or taken out where the change gives None."""
    kept = dict(clean.kept)
    message_id, envelope = next((i, e) for i, e in kept.items() if isinstance(e.body, kind))
    body = change(envelope.body)
    if body is None:
        del kept[message_id]
    else:
        kept[message_id] = envelope.model_copy(update={"body": body})
    return kept


def test_i1_finds_an_order_that_arrived_twice(clean: Record) -> None:
    def double(books: dict[str, Any]) -> None:
        books["arrivals"].append(dict(books["arrivals"][0]))

    assert invariants.at_most_once(broken(clean, double))


def test_i1_finds_an_order_sent_again_whose_first_sending_was_lost(clean: Record) -> None:
    twice = [*clean.could_arrive, clean.could_arrive[0]]
    assert invariants.at_most_once(broken(clean, could_arrive=twice))


def test_i2_finds_more_sold_than_bought(clean: Record) -> None:
    def oversell(books: dict[str, Any]) -> None:
        first_filled(books, "sell")["fills"][0]["qty_shares"] += 100

    assert invariants.never_oversold(broken(clean, oversell))


def test_i2_finds_more_bought_than_approved(clean: Record) -> None:
    def overbuy(books: dict[str, Any]) -> None:
        first_filled(books, "buy")["fills"][0]["qty_shares"] += 100

    assert invariants.never_oversold(broken(clean, overbuy))


def test_i2_finds_a_sell_of_more_than_is_free_though_the_broker_refused_it(clean: Record) -> None:
    greedy = replace(clean.exits[0], qty_shares=clean.exits[0].free_shares + 1)
    assert invariants.never_oversold(broken(clean, exits=[greedy]))


def test_i3_finds_a_passed_limit(clean: Record) -> None:
    assert invariants.exposure_within_limits(broken(clean, exposures=[(1, "005930", 99_000_000)]))


def test_i3_finds_a_second_open_pair_of_a_symbol(clean: Record) -> None:
    assert invariants.exposure_within_limits(broken(clean, second_pairs=[(1, "P2", "P1")]))


def test_i3_finds_a_trip_beyond_the_limit(clean: Record) -> None:
    assert invariants.exposure_within_limits(broken(clean, trips_passed=[(1, "P2", 20)]))


@pytest.mark.parametrize(
    "change",
    [{"halted": True}, {"armed": False}, {"lease_left_ns": -1}, {"lease_beyond_ns": 1}],
    ids=["in a halt", "not armed", "without a lease", "on a lease that is held too long"],
)
def test_i4_finds_an_entry_after_a_stop(clean: Record, change: dict[str, Any]) -> None:
    late: EntrySent = replace(clean.entries[0], **change)
    assert invariants.no_entry_after_a_stop(broken(clean, entries=[late]))


@pytest.mark.parametrize(("by_person", "found"), [(False, 1), (True, 0)])
def test_i4_finds_a_sale_in_a_halt_that_no_person_ordered(clean: Record, by_person: bool, found: int) -> None:
    sold = replace(clean.exits[0], halted=True, by_person=by_person)
    assert len(invariants.no_entry_after_a_stop(broken(clean, exits=[sold]))) == found


@pytest.mark.parametrize("field", ["cum_qty_shares", "cum_amount_krw", "commission_krw", "tax_krw"])
def test_i5_finds_a_gateway_that_knows_another_figure(clean: Record, field: str) -> None:
    assert clean.known is not None
    order_id, facts = next((i, f) for i, f in clean.known.items() if f.cum_qty_shares)
    wrong = facts.model_copy(update={field: getattr(facts, field) + 1})
    assert invariants.our_books_are_the_brokers(broken(clean, known={**clean.known, order_id: wrong}))


def test_i5_finds_an_order_that_the_gateway_does_not_know(clean: Record) -> None:
    assert invariants.our_books_are_the_brokers(broken(clean, known={}))


def test_i5_finds_a_difference_that_the_gateway_sees_where_there_is_none(clean: Record) -> None:
    told = ReconciliationCompleted(
        trading_date=TradingDate("2026-11-23"), connection_epoch=1, differences=("one share",)
    )
    said = {**clean.said, "x": Envelope.wrap(told, source="gateway", now_ns=1, causation_id="x")}
    assert invariants.our_books_are_the_brokers(broken(clean, said=said))


def test_i5_finds_a_lost_fill(clean: Record) -> None:
    def forget(pair: PairClosed) -> PairClosed:
        return pair.model_copy(update={"bought_shares": pair.bought_shares + 1})

    assert invariants.our_books_are_the_brokers(broken(clean, kept=kept_with(clean, PairClosed, forget)))


def test_i5_finds_a_pair_of_which_the_broker_knows_nothing(clean: Record) -> None:
    def never_traded(books: dict[str, Any]) -> None:
        books["orders"].clear()

    assert invariants.our_books_are_the_brokers(broken(clean, never_traded))


def test_i6_finds_a_pair_that_nobody_closed(clean: Record) -> None:
    assert invariants.everything_closes(broken(clean, kept=kept_with(clean, PairClosed, lambda pair: None)))


def test_i6_finds_shares_of_a_pair_that_no_stream_names(clean: Record) -> None:
    def forget_the_sell(books: dict[str, Any]) -> None:
        first_filled(books, "sell")["filled_shares"] = 0

    nameless = {i: e for i, e in clean.kept.items() if not isinstance(e.body, PairApproved | PairClosed)}
    assert invariants.everything_closes(broken(clean, forget_the_sell, kept=nameless))


def stranded(clean: Record) -> dict[str, Envelope]:
    """The kept messages with the first closed pair named as stranded instead."""
    kept = dict(clean.kept)
    message_id, envelope = next((i, e) for i, e in kept.items() if isinstance(e.body, PairClosed))
    mark = ResidualMarked(
        pair_id=envelope.body.pair_id, symbol=envelope.body.symbol, qty_shares=1, cost_krw=1,
        reason=StrandReason.NO_VENUE, detail="",
    )  # fmt: skip
    kept[message_id] = envelope.model_copy(update={"body": mark})
    return kept


def test_i6_wants_an_alarm_for_a_stranded_position(clean: Record) -> None:
    silent = {i: e for i, e in clean.said.items() if not isinstance(e.body, AlertRaised)}
    late = broken(clean, kept=stranded(clean), said=silent, healed_in_time=False)
    assert invariants.everything_closes(late)


def test_i6_finds_a_residual_that_was_given_up_too_early(clean: Record) -> None:
    assert invariants.everything_closes(broken(clean, given_up=[("P1", 3, 5)]))


def test_i6_takes_no_stranded_position_where_all_venues_trade_on(clean: Record) -> None:
    found = invariants.everything_closes(broken(clean, kept=stranded(clean)))
    assert any("is left stranded" in breach.sentence for breach in found)


def test_i7_finds_a_won(clean: Record) -> None:
    def miscount(pair: PairClosed) -> PairClosed:
        return pair.model_copy(update={"realised_pnl_krw": pair.realised_pnl_krw + 1})

    assert invariants.money_to_the_won(broken(clean, kept=kept_with(clean, PairClosed, miscount)))


@pytest.mark.parametrize("what", ["commission_krw", "tax_krw"])
def test_i7_finds_a_won_between_two_costs(clean: Record, what: str) -> None:
    def miscount(pair: PairClosed) -> PairClosed:
        return pair.model_copy(update={what: getattr(pair, what) + 1})

    assert invariants.money_to_the_won(broken(clean, kept=kept_with(clean, PairClosed, miscount)))


@pytest.mark.parametrize("what", ["commission_krw", "tax_krw"])
def test_i17_finds_an_account_that_does_not_charge_by_the_rates(clean: Record, what: str) -> None:
    def overcharge(books: dict[str, Any]) -> None:
        first_filled(books, "sell")[what] += 1

    found = invariants.account_adds_up(broken(clean, overcharge))
    assert any("by the rates" in breach.sentence for breach in found)


def test_i7_finds_a_won_in_the_books_of_risk(clean: Record) -> None:
    assert clean.risk_cash_flow_krw
    assert invariants.money_to_the_won(broken(clean, risk_cash_flow_krw=clean.risk_cash_flow_krw + 1))


@pytest.mark.parametrize("what", ["max_orders_per_s", "max_queries_per_s"])
def test_i8_finds_a_sixth_in_a_second(clean: Record, what: str) -> None:
    assert invariants.within_the_brokers_rates(broken(clean, lambda books: books.update({what: 6})))


@pytest.mark.parametrize("what", ["orders_refused", "queries_refused"])
def test_i8_finds_one_that_the_broker_turned_away(clean: Record, what: str) -> None:
    """The broker lets only five in, so that those it let in never show a sixth."""
    assert invariants.within_the_brokers_rates(broken(clean, lambda books: books.update({what: 1})))


def test_i8_finds_an_order_after_a_refusal_for_the_rate(clean: Record) -> None:
    assert invariants.within_the_brokers_rates(broken(clean, rushed=[(1, "P1.1.b.1")]))


@pytest.mark.parametrize("change", [{"calls": 4}, {"calls": 2, "owed": 2}, {"calls": 3, "sell_needs": 2}])
def test_i12_finds_an_entry_that_left_no_room_for_a_sell(clean: Record, change: dict[str, Any]) -> None:
    greedy: EntrySent = replace(clean.entries[0], **{"calls": 0, "owed": 0, "sell_needs": 1, **change})
    assert invariants.exits_have_room(broken(clean, entries=[greedy]))
    fits = replace(greedy, calls=greedy.calls - 1)
    assert not invariants.exits_have_room(broken(clean, entries=[fits]))


def test_i12_finds_an_entry_that_left_late(clean: Record) -> None:
    late = replace(clean.entries[0], waited_ns=201_000_000)
    assert invariants.exits_have_room(broken(clean, entries=[late]))


@pytest.mark.parametrize("change", [{"window_open": False}, {"venue_continuous": False}])
def test_i9_finds_an_entry_outside_the_windows(clean: Record, change: dict[str, Any]) -> None:
    late: EntrySent = replace(clean.entries[0], **change)
    assert invariants.only_in_the_windows(broken(clean, entries=[late]))


def test_i9_finds_an_order_left_over_a_pause(clean: Record) -> None:
    assert invariants.only_in_the_windows(broken(clean, left_over=[(1, "P1.1.b.1")]))


def test_i10_finds_own_orders_that_could_have_met(clean: Record) -> None:
    assert invariants.own_orders_never_meet(broken(clean, opposed=[(1, "P1.1.s.1")]))


def test_i10_finds_a_sell_that_is_asked_for_where_its_buy_works(clean: Record) -> None:
    assert invariants.own_orders_never_meet(broken(clean, asked_against=[("P1.1.s.1", "P1.1.b.1")]))


def test_i10_finds_own_orders_that_met(clean: Record) -> None:
    assert invariants.own_orders_never_meet(broken(clean, lambda books: books.update(self_trades=1)))


def test_i13_finds_an_order_that_left_after_its_command_ended(clean: Record) -> None:
    late_entry = replace(clean.entries[0], expired_ns=1)
    late_exit = replace(clean.exits[0], expired_ns=1)
    late = broken(clean, entries=[late_entry], exits=[late_exit])
    assert len(invariants.within_what_was_decided(late)) == 2


@pytest.mark.parametrize(("beyond_krw", "found"), [(0, 0), (1, 1)])
def test_i13_finds_an_entry_above_its_approval(clean: Record, beyond_krw: int, found: int) -> None:
    sent = clean.entries[0]
    dear = replace(sent, price_krw=sent.bounds.most_krw + beyond_krw)
    assert len(invariants.within_what_was_decided(broken(clean, entries=[dear]))) == found


@pytest.mark.parametrize(("beyond", "found"), [(0, 0), (1, 1)])
def test_i13_finds_an_entry_of_more_than_a_clip(clean: Record, beyond: int, found: int) -> None:
    sent = clean.entries[0]
    large = replace(sent, qty_shares=sent.clip_shares + beyond)
    assert len(invariants.within_what_was_decided(broken(clean, entries=[large]))) == found


@pytest.mark.parametrize(("beyond_krw", "found"), [(0, 0), (1, 1)])
def test_i13_finds_a_sell_below_what_its_purchase_cost(clean: Record, beyond_krw: int, found: int) -> None:
    sent = next(sent for sent in clean.exits if sent.bounds.least_krw)
    cheap = replace(sent, price_krw=sent.bounds.least_krw - beyond_krw)
    assert len(invariants.within_what_was_decided(broken(clean, exits=[cheap]))) == found


def test_i14_finds_what_is_told_and_is_not_so(clean: Record) -> None:
    """What is not so, `Statements` knows: its own tests are in test_statements.py."""
    assert invariants.told_as_it_is(broken(clean, untrue=["a sentence"]))


def test_i11_finds_a_decision_that_does_not_follow_from_its_inputs(clean: Record) -> None:
    def bend(intent: TradeIntent) -> TradeIntent:
        return intent.model_copy(update={"net_edge_krw": intent.net_edge_krw + 1})

    assert invariants.decisions_recompute(broken(clean, kept=kept_with(clean, TradeIntent, bend)))


@pytest.mark.parametrize(
    "field", ["qty_shares", "clip_shares", "buy_limit_krw", "sell_limit_krw", "expires_at_ns"]
)
def test_i11_finds_an_approval_that_its_intent_does_not_give(clean: Record, field: str) -> None:
    def bend(pair: PairApproved) -> PairApproved:
        return pair.model_copy(update={field: getattr(pair, field) + 1})

    assert invariants.decisions_recompute(broken(clean, kept=kept_with(clean, PairApproved, bend)))


def test_i11_finds_a_denial_for_a_limit_that_was_not_reached(clean: Record) -> None:
    def bend(denied: PairDenied) -> PairDenied:
        return denied.model_copy(update={"detail": "worst_krw=1 limit_krw=2"})

    assert invariants.decisions_recompute(broken(clean, kept=kept_with(clean, PairDenied, bend)))


def test_i11_finds_a_clip_that_its_quotes_do_not_give(clean: Record) -> None:
    def bend(clip: ClipRecomputed) -> ClipRecomputed:
        return clip.model_copy(update={"net_edge_krw": clip.net_edge_krw + 1})

    assert invariants.decisions_recompute(broken(clean, kept=kept_with(clean, ClipRecomputed, bend)))


def test_i11_finds_a_clip_that_went_on_without_an_edge(clean: Record) -> None:
    def go_on(clip: ClipRecomputed) -> ClipRecomputed:
        return clip.model_copy(update={"proceed": True, "quote_sell": clip.quote_buy})

    assert invariants.decisions_recompute(broken(clean, kept=kept_with(clean, ClipRecomputed, go_on)))


# -- what an account, a clock and a price are held against -------------------------------------------


def test_i1_finds_a_second_purchase_of_one_clip(clean: Record) -> None:
    def again(books: dict[str, Any]) -> None:
        first = first_filled(books, "buy")
        clip, _, _ = first["rqname"].rpartition(".")
        books["orders"].append({**first, "rqname": f"{clip}.9", "order_no": "9999999"})

    found = invariants.at_most_once(broken(clean, again))
    assert [breach.sentence.startswith("clip ") for breach in found] == [True]


@pytest.mark.parametrize(("ours", "theirs", "found"), [(True, "", 1), (False, "", 0), (False, "filled", 1)])
def test_i5_compares_open_orders_too(clean: Record, ours: bool, theirs: str, found: int) -> None:
    assert clean.known is not None
    order = next(order for order in clean.orders() if order.side == "sell" and order.closed == "filled")

    def reopen(books: dict[str, Any]) -> None:
        one = next(one for one in books["orders"] if one["order_no"] == order.order_no)
        one["closed"] = theirs

    facts = clean.known[order.rqname].model_copy(update={"closed": ours})
    known = {**clean.known, order.rqname: facts}
    assert len(invariants.our_books_are_the_brokers(broken(clean, reopen, known=known))) == found


def test_i5_says_nothing_of_a_gateway_that_is_down(clean: Record) -> None:
    assert invariants.our_books_are_the_brokers(broken(clean, known=None)) == []


def test_i6_finds_an_order_that_stays_unknown(clean: Record) -> None:
    assert clean.known is not None
    facts = next(iter(clean.known.values()))
    told = OrderUnknown(facts=facts, reason="no answer")
    kept = {**clean.kept, "x": Envelope.wrap(told, source="gateway", now_ns=1, causation_id="x")}
    assert [str(breach) for breach in invariants.everything_closes(broken(clean, kept=kept))] == [
        f"I6 order {facts.order_id} is still unknown"
    ]
    resolved = OrderResolved(facts=facts, resolution=Resolution.FOUND, evidence="a query")
    kept["y"] = Envelope.wrap(resolved, source="gateway", now_ns=2, causation_id="y")
    assert invariants.everything_closes(broken(clean, kept=kept)) == []


def test_i6_wants_the_right_number_of_a_stranded_position(clean: Record) -> None:
    found = invariants.everything_closes(broken(clean, kept=stranded(clean)))
    assert any("is named with 1 shares and holds 0" in breach.sentence for breach in found)


def test_i7_finds_a_won_moved_from_one_pair_to_another(clean: Record) -> None:
    kept, pairs = dict(clean.kept), [(i, e) for i, e in clean.kept.items() if isinstance(e.body, PairClosed)]
    for (message_id, envelope), krw in zip(pairs, (1_000, -1_000), strict=False):
        pnl = {"realised_pnl_krw": envelope.body.realised_pnl_krw + krw}
        kept[message_id] = envelope.model_copy(update={"body": envelope.body.model_copy(update=pnl)})
    assert len(invariants.money_to_the_won(broken(clean, kept=kept))) == 2


@pytest.mark.parametrize("what", ["cash_krw", "held_shares"])
def test_i17_finds_what_an_account_loses_at_one_fill(clean: Record, what: str) -> None:
    def leak(books: dict[str, Any]) -> None:
        first_filled(books, "sell")["fills"][0][what] -= 1

    found = invariants.account_adds_up(broken(clean, leak))
    assert found and found[0].at_ns > 0


def test_i17_finds_cash_that_is_gone_at_the_end(clean: Record) -> None:
    assert invariants.account_adds_up(broken(clean, lambda books: books.update(cash_krw=0)))


def test_i9_holds_entries_against_hours_of_its_own(clean: Record) -> None:
    at_1525 = replace(clean.entries[0], market_ns=(15 * 60 + 25) * 60 * 1_000_000_000)
    assert invariants.only_in_the_windows(broken(clean, entries=[at_1525]))


def test_i18_finds_a_price_between_two_ticks(clean: Record) -> None:
    def off_tick(books: dict[str, Any]) -> None:
        next(a for a in books["arrivals"] if a["price_krw"])["price_krw"] += 1

    assert invariants.prices_on_the_grid(broken(clean, off_tick))


def test_failed_finds_an_entry_that_was_given_up(clean: Record) -> None:
    buried = EntryBuried(stream_key="x", entry_id="1-0", service="risk", reason="raised", tries=3, text="")
    said = {**clean.said, "x": Envelope.wrap(buried, source="risk", now_ns=1, causation_id="x")}
    assert invariants.nothing_failed(broken(clean, said=said))


def test_a_record_without_the_brokers_truth_is_judged_by_what_it_has(clean: Record) -> None:
    streams = Record(kept=clean.kept, said=clean.said, limits=clean.limits)
    judged = {one.code for one in invariants.INVARIANTS if one.needs in facts_of(streams)}
    assert judged == {"I11", "I19", "FAILED"}
    assert violations(streams) == []
