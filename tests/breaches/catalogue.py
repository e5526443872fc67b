"""The table of planted breaches: what is made wrong, and which invariant has to report it.

A breach changes the code of a running day by `monkeypatch`, so that all stays as it is outside. Breaches that
need commands which no executor gives (the gateway's stops, limits, attempts of a liquidation) want a careless
commander in its place; `UNPLANTED` says which invariants have none yet.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from services.contracts.messages.pairs import PairClosed
from services.contracts.reasons import DenialReason
from services.contracts.reference import TradeCosts
from services.contracts.step import Step
from services.contracts.terms import Side, TradingState
from services.contracts.tick_grid import TickGrid
from services.contracts.trading_word import TradingWord
from services.detector import core as detector
from services.executor import clip, closing, rung
from services.executor.pricing import rung_price
from services.gateway import control_calls, gate, order_desk, shell
from services.gateway.facts import Clocked
from services.gateway.lease import Lease
from services.gateway.order_table import OrderTable
from services.market import edge as edges
from services.market.sessions import DaySchedule
from services.risk import files as risk_files
from services.risk import verdict
from services.risk.checks import money
from services.risk.exposure import cash_flow_krw, total_exposure_krw
from services.simulator.account import Account
from services.simulator.options import FaultOptions
from services.simulator.virtual import day, observer
from services.simulator.virtual.faults import CALM, DayFaults, ServiceFaults, Terms
from services.simulator.virtual.observer import Observer

Plant = Callable[[pytest.MonkeyPatch], None]
FADES = replace(CALM, broker=FaultOptions(fade_rate=0.8))
SILENT = replace(CALM, broker=FaultOptions(lost_ack_rate=0.5, lost_chejan_rate=0.3))
MEDDLED = replace(CALM, services=ServiceFaults(operator=1.0))
RESTING = replace(CALM, terms=Terms(clip_shares=6, thin=True, nxt_takes_ioc=False))

UNPLANTED = {
    "I10": "the executor asks for no sell where its buy works",
}


@dataclass(frozen=True, slots=True)
class Planted:
    """`code` is the invariant that has to report it, with `words` in its sentence; `seed` a day that shows
    it. `faults` are those of its days, None where each seed draws its own."""

    name: str
    plant: Plant
    code: str
    words: str
    seed: int = 1
    faults: DayFaults | None = CALM


# -- the account -----------------------------------------------------------------------------------


def _leaks_at_each_fill(patch: pytest.MonkeyPatch) -> None:
    fill = Account.fill

    def leaking(self: Account, *args: Any) -> None:
        fill(self, *args)
        self.cash_krw -= 1_000

    patch.setattr(Account, "fill", leaking)


def _loses_a_share_of_each_symbol(patch: pytest.MonkeyPatch) -> None:
    fill = Account.fill

    def losing(self: Account, money: Any, *args: Any) -> None:
        first = money.side is Side.BUY and not self.holding(money.symbol).bought_today
        fill(self, money, *args)
        if first and self.holding(money.symbol).qty_shares > 1:
            self.holding(money.symbol).qty_shares -= 1

    patch.setattr(Account, "fill", losing)


def _charges_no_tax(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TradeCosts, "sell_tax_krw", lambda self, amount_krw: 0)


def _sees_more_edge(patch: pytest.MonkeyPatch) -> None:
    true = edges.edge

    def better(*args: Any, **kwargs: Any) -> Any:
        found = true(*args, **kwargs)
        return None if found is None else replace(found, net_krw=found.net_krw + 20_000)

    for module in list(sys.modules.values()):
        if getattr(module, "edge", None) is true:
            patch.setattr(module, "edge", better)


def _ticks_are_a_won(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TickGrid, "size", lambda self, price_krw: 1)


def _risk_miscounts_a_won(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observer, "cash_flow_krw", lambda risk: cash_flow_krw(risk) + 1)


def _a_pair_closes_with_a_won_more(patch: pytest.MonkeyPatch) -> None:
    def more(**values: Any) -> PairClosed:
        return PairClosed(**{**values, "sold_krw": values["sold_krw"] + 1})

    patch.setattr(closing, "PairClosed", more)


# -- orders ----------------------------------------------------------------------------------------


def _sends_each_order_twice(patch: pytest.MonkeyPatch) -> None:
    send = control_calls.OrderPort.send

    def twice(self: Any, effect: Any) -> Any:
        send(self, effect)
        return send(self, effect)

    patch.setattr(control_calls.OrderPort, "send", twice)


def _sells_beside_what_is_on_its_way(patch: pytest.MonkeyPatch) -> None:
    """Each sell is about to leave a second time when it has left, as another sell of its shares would be."""
    sending, left, seen = Observer.sending, Observer.left, {}

    def noting(self: Observer, effect: Any, now_ns: int) -> None:
        seen[effect.order_id] = effect
        sending(self, effect, now_ns)

    def again(self: Observer, order_id: str, now_ns: int) -> None:
        left(self, order_id, now_ns)
        if seen[order_id].args[3] in (2, 22):
            sending(self, seen[order_id], now_ns)

    patch.setattr(Observer, "sending", noting)
    patch.setattr(Observer, "left", again)


def _ignores_exposure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(money, "total_exposure_krw", lambda state: 0)


def _publishes_looser_limits(patch: pytest.MonkeyPatch) -> None:
    """Risk takes twice the exposure that the person's file allows, and tells everybody so."""
    load = risk_files.load_limits

    def looser(*args: Any) -> Any:
        limits = load(*args)
        twice = {"max_exposure_total_krw": 2 * limits.max_exposure_total_krw}
        return limits.model_copy(update=twice)

    patch.setattr(risk_files, "load_limits", looser)


def _no_stop_is_heard(patch: pytest.MonkeyPatch) -> None:
    """Gateway and executor take every word for armed: pairs go on in a halt."""
    patch.setattr(TradingWord, "in_force", property(lambda self: TradingState.ARMED))


def _no_guard_about_pauses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DaySchedule, "entry_windows", lambda self, *guards: self.overlaps())


def _exits_get_no_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_desk, "shortage", lambda *_: "")


def _entries_leave_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_desk, "ENTRY_WAIT_NS", 1_500_000_000)


def _counts_no_calls(patch: pytest.MonkeyPatch) -> None:
    _exits_get_no_room(patch)
    _cancels_without_a_token(patch)
    patch.setattr(day, "SETTLE_NS", 0)


def _sells_below_break_even(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clip, "sell_limit", lambda floor, bids, *_: bids[-1][0])


def _begins_at_the_bid(patch: pytest.MonkeyPatch) -> None:
    lame = lambda limits, bid, attempt, *rest: rung_price(limits, bid, attempt - 1, *rest)  # noqa: E731
    patch.setattr(rung, "rung_price", lame)


# -- what a day is worth, and how it ends ------------------------------------------------------------


def _deaf_to_a_symbol(patch: pytest.MonkeyPatch) -> None:
    speak = detector._speak

    def deaf(state: Any, symbol: str, *args: Any) -> Any:
        return Step(state) if symbol == "000660" else speak(state, symbol, *args)

    patch.setattr(detector, "_speak", deaf)


def _denies_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        verdict, "first_denial", lambda case: (DenialReason.EXPOSURE_TOTAL, "worst_krw=2 limit_krw=1")
    )


def _never_closes_a_pair(patch: pytest.MonkeyPatch) -> None:
    true = closing.finish
    for module in list(sys.modules.values()):
        if getattr(module, "finish", None) is true:
            patch.setattr(module, "finish", lambda pair, view: None)
    patch.setattr(day, "SETTLE_NS", 0)


def _gateway_raises_at_a_tick(patch: pytest.MonkeyPatch) -> None:
    whole, ticks = shell.decide, iter(range(10**9))

    def failing(state: Any, moment: Any) -> Any:
        if isinstance(moment.fact, Clocked) and next(ticks) % 2:
            raise ValueError("planted")
        return whole(state, moment)

    patch.setattr(shell, "decide", failing)


# -- what would slip through ---------------------------------------------------------------------------


def _gate_without(check: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        left = tuple(one for one in gate.CHECKS if one.__name__ != check)
        assert len(left) == len(gate.CHECKS) - 1, f"the gate has no check {check}"
        patch.setattr(gate, "CHECKS", left)

    return plant


def _risk_without(reason: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        asked = verdict.first_denial

        def forgetful(case: Any) -> Any:
            denial = asked(case)
            return None if denial is not None and denial[0] == reason else denial

        patch.setattr(verdict, "first_denial", forgetful)

    return plant


def _sells_beside_an_unknown_sell(patch: pytest.MonkeyPatch) -> None:
    sellable = OrderTable.sellable_shares

    def forgetful(table: OrderTable, pair_id: str) -> int:
        unknown = [r for r in table.of_pair(pair_id) if r.stage == "unknown" and r.facts.side == "sell"]
        return sellable(table, pair_id) + sum(record.open_shares for record in unknown)

    patch.setattr(OrderTable, "sellable_shares", forgetful)


def _speaks_at_first_sight(patch: pytest.MonkeyPatch) -> None:
    made = detector.intent_of
    patch.setattr(detector, "intent_of", lambda *given: made(*given).model_copy(update={"cross_age_ms": 0}))


def _cancels_without_a_token(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_desk, "_no_token", lambda turn: False)


def _keeps_entries_beyond_the_lease(patch: pytest.MonkeyPatch) -> None:
    must = Lease.must_cancel
    patch.setattr(Lease, "must_cancel", lambda lease, mono_ns: must(lease, mono_ns - 1_000_000))


def _worst_case_too_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observer, "total_exposure_krw", lambda risk: max(0, total_exposure_krw(risk) - 1))


BREACHES: tuple[Planted, ...] = (
    Planted("account_leaks_at_each_fill", _leaks_at_each_fill, "I17", "after a fill"),
    Planted("account_loses_a_share_of_each_symbol", _loses_a_share_of_each_symbol, "I17", "holds",
            1, RESTING),
    Planted("no_tax_anywhere", _charges_no_tax, "I17", "by the rates"),
    Planted("edge_20000_won_too_good", _sees_more_edge, "I11", "by the charges"),
    Planted("tick_of_one_won_anywhere", _ticks_are_a_won, "I18", "no price"),
    Planted("risk_miscounts_a_won", _risk_miscounts_a_won, "I7", "risk says"),
    Planted("pair_closes_with_a_won_more", _a_pair_closes_with_a_won_more, "I5", "sold KRW"),
    Planted("close_says_a_won_more_than_its_orders", _a_pair_closes_with_a_won_more, "I19", "its close says"),
    Planted("gateway_sends_each_order_twice", _sends_each_order_twice, "I1", "2 times"),
    Planted("sells_beside_what_is_on_its_way", _sells_beside_what_is_on_its_way, "I2", "free"),
    Planted("risk_ignores_exposure", _ignores_exposure, "I3", "stand for", 7),
    Planted("risk_publishes_looser_limits", _publishes_looser_limits, "I3", "all stand for", 7),
    Planted("no_stop_is_heard", _no_stop_is_heard, "I4", "in a halt", 9, MEDDLED),
    Planted("no_guard_about_pauses", _no_guard_about_pauses, "I9", "when no pair may begin", 3),
    Planted("exits_get_no_room", _exits_get_no_room, "I12", "owed"),
    Planted("entries_leave_late", _entries_leave_late, "I12", "after its arrival"),
    Planted("gateway_counts_no_calls", _counts_no_calls, "I8", "rate"),
    Planted("detector_speaks_at_first_sight", _speaks_at_first_sight, "I11", "a cross of 0 ms"),
    Planted("executor_sells_below_break_even", _sells_below_break_even, "I13", "beyond", 2),
    Planted("liquidation_begins_at_the_bid", _begins_at_the_bid, "I13", "beyond", faults=FADES),
    Planted("detector_deaf_to_a_symbol", _deaf_to_a_symbol, "I16", "000660", 5),
    Planted("risk_denies_everything", _denies_everything, "I16", "nothing was sent"),
    Planted("executor_never_closes_a_pair", _never_closes_a_pair, "I6", "still open"),
    Planted("gateway_core_raises", _gateway_raises_at_a_tick, "FAILED", "raised"),
    Planted("worst_case_too_small", _worst_case_too_small, "I14", "worst case"),
    Planted("gate_forgets_age", _gate_without("_age"), "I15", "after its command ended"),
    Planted("gate_forgets_halt", _gate_without("_halt"), "I15", "beside a HALT file"),
    Planted("gate_forgets_lease", _gate_without("_lease"), "I15", "without a lease"),
    Planted("gate_forgets_oversell", _gate_without("_oversell"), "I15", "more than its pair holds"),
    Planted("gate_forgets_self_cross", _gate_without("_self_cross"), "I15", "against an own order"),
    Planted("risk_forgets_age", _risk_without("expired"), "I15", "too old"),
    Planted("risk_forgets_trips", _risk_without("trips_spent"), "I15", "beyond the trips"),
    Planted("risk_forgets_cash", _risk_without("cash"), "I15", "with the cash of sales"),
    Planted("risk_forgets_self_cross", _risk_without("self_cross"), "I15", "a sell of a closed pair works"),
    Planted("sells_beside_an_unknown_sell", _sells_beside_an_unknown_sell, "I15", "beside an unknown one", 1,
            SILENT),
    Planted("cancels_without_a_token", _cancels_without_a_token, "I15", "after five orders", 3, RESTING),
    Planted("entries_beyond_the_lease", _keeps_entries_beyond_the_lease, "I15", "after the lease"),
)  # fmt: skip
