"""What virtual days have found, each as a day of its own in which nothing else goes wrong."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.control import ArmRefused
from services.contracts.messages.orders import (
    CommandDenied,
    ForeignOrderSeen,
    OrderFilled,
    OrderResolved,
    Resolution,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.reasons import GateReason
from services.contracts.streams import CONTROL
from services.contracts.terms import TradingState
from services.contracts.trading_word import TradingWord
from services.gateway import core, order_desk, own_cancels
from services.gateway.lease import Lease
from services.lab.invariants import no_entry_after_a_stop, only_in_the_windows, violations
from services.simulator.queries import Table
from services.simulator.virtual.day import VirtualDay, run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM, Terms

from .scripted import Scripted


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(Path(__file__).resolve().parents[2] / "config")


@pytest.mark.parametrize("dies", [False, True], ids=["and lives on", "and is killed"])
def test_redis_forgets_that_the_gateway_denied_a_buy(desk: Desk, dies: bool) -> None:
    """The executor waited for ever for word of an order that never was."""
    forgotten: list[CommandDenied] = []

    def script(day: Scripted, now_ns: int) -> None:
        asked, denied = day.commands(PlaceOrder), day.messages(CommandDenied)
        if forgotten or not asked:
            return
        if not denied and now_ns >= day.bus.down_until_ns:
            day.gateway.paused_until_ns = now_ns + 10 * NS_PER_MS  # until the command has expired
            if now_ns > asked[0].expires_at_ns:
                day.gateway.paused_until_ns = 0
        elif denied:
            day.bus.forget_since(now_ns - 200 * NS_PER_MS)
            day.bus.go_down(now_ns + 300 * NS_PER_MS)
            forgotten.append(denied[0])
            if dies:
                day.gateway.kill()
                day.restart_ns["gateway"] = now_ns + 500 * NS_PER_MS

    day = Scripted(desk, script)
    day.run()
    assert [m.reason for m in forgotten] == [GateReason.EXPIRED]
    assert violations(day.witness) == []
    ended = {m.pair_id: m.outcome for m in day.messages(PairClosed)}
    assert ended[forgotten[0].pair_id] is PairOutcome.NOT_FILLED


@pytest.mark.parametrize("frames_come", [True, False], ids=["seen as it is placed", "found by a query"])
def test_a_hand_order_exactly_like_one_of_ours_that_never_arrived(desk: Desk, frames_come: bool) -> None:
    """It was the one row that fitted, and was sold as ours."""
    by_hand: list[tuple[str, int]] = []

    def script(day: Scripted, now_ns: int) -> None:
        day.broker_does(**({} if day.sends else {"never_arrives_rate": 1.0}))
        if by_hand or not day.sends:
            return
        _, _, _, order_type, code, qty, price, hoga, _ = day.sends[0].args
        if not frames_come:
            day.gateway.kill()
            day.restart_ns["gateway"] = now_ns + NS_PER_S // 5
            hoga = "00"  # no screen is seen, but a person's limit order is no IOC
        day.world.broker.place_by_hand(code, order_type, qty, price, hoga)
        by_hand.append((code, qty))

    day = Scripted(desk, script)
    day.run()
    assert violations(day.witness) == []
    assert [(m.symbol, m.qty_shares) for m in day.messages(ForeignOrderSeen)][:1] == by_hand
    lost = [m for m in day.messages(OrderResolved) if m.resolution is Resolution.NEVER_ARRIVED]
    assert {m.facts.order_id for m in lost} == {day.sends[0].order_id}


def test_a_gateway_killed_within_send_order_does_not_send_what_it_had_stored_as_waiting(desk: Desk) -> None:
    """The stored queue still held the cancel that the log of intentions knew as sent."""

    def cancels(day: Scripted) -> list[str]:
        return [send.order_id for send in day.sends if ".c" in send.order_id]

    def script(day: Scripted, now_ns: int) -> None:
        """Orders stay open; the first cancel meets -308, so that it waits and is stored as waiting."""
        refuse = bool(day.sends) and not cancels(day)
        day.broker_does(slow_match_rate=1.0, slow_match_ms=(8_000, 8_000), order_overflow_rate=float(refuse))

    def dies(day: Scripted) -> str:
        sent = cancels(day)
        return "within" if sent and sent.count(sent[0]) == 2 and day.sends[-1].order_id == sent[0] else ""

    day = Scripted(desk, script)
    day.gateway.dies_at_send = lambda: dies(day)
    day.run()
    assert violations(day.witness) == []
    assert cancels(day).count(cancels(day)[0]) == 2, "refused once, and sent once"


def halted_with_a_command_unread(day: Scripted, now_ns: int) -> None:
    """The gateway stands still while a buy is commanded and then a person halts: it reads both at once."""
    if day.commands(PlaceOrder) and not day.sends and not day.operator.hands_off_until_ns:
        day.operator.hands_off_until_ns = now_ns + 2 * NS_PER_S
        day.operator.ask(TradingState.HALTED, now_ns)
        day.gateway.paused_until_ns = now_ns + 100 * NS_PER_MS


def test_a_halt_that_is_read_together_with_an_earlier_command_stops_it(desk: Desk) -> None:
    """What the streams hold is read in one go, and between them there is no order: the stop comes first."""
    day = Scripted(desk, halted_with_a_command_unread)
    day.run()
    assert violations(day.witness) == []
    first = day.commands(PlaceOrder)[0]
    assert first.order_id not in [send.order_id for send in day.sends]
    denied = [m for m in day.messages(CommandDenied) if m.order_id == first.order_id]
    assert {m.reason for m in denied} == {GateReason.HALTED}


def test_redis_forgets_a_halt_before_risk_reads_it_and_the_gateway_can_be_armed_again(desk: Desk) -> None:
    """It stayed halted for the rest of the day, while every other service and the status said armed."""
    asked: list[int] = []
    forgotten: list[int] = []

    def script(day: Scripted, now_ns: int) -> None:
        if not asked and day.sends:
            asked.append(now_ns)
            risk = next(process for process in day.processes if process.name == "risk")
            risk.paused_until_ns = now_ns + 400 * NS_PER_MS
            day.operator.ask(TradingState.HALTED, now_ns)
            day.operator.hands_off_until_ns = now_ns + NS_PER_S
        elif asked and not forgotten and day.gateway.state.control.in_force is TradingState.HALTED:
            forgotten.append(now_ns)
            day.bus.forget_since(asked[0] - 1)
            day.bus.go_down(now_ns + 300 * NS_PER_MS)

    day = Scripted(desk, script)
    day.run()
    assert violations(day.witness) == []
    later = [sent.at_ns for sent in day.witness.entries if sent.at_ns > forgotten[0]]
    assert later and min(later) > forgotten[0] + NS_PER_S - (forgotten[0] - asked[0])


@pytest.mark.parametrize("late", [False, True], ids=["all streams in time", "control late"])
def test_a_gateway_that_ignores_stops_is_found(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """I4 is judged by what is on the bus: a gateway that knows of no halt believes itself in the right. A
    control stream that it could not read excuses nothing: stops have their own."""
    obeyed = core._obey

    def only_armed(turn: Any, word: TradingWord) -> None:
        if word.said is TradingState.ARMED:
            obeyed(turn, word.model_copy(update={"held": None}))

    def script(day: Scripted, now_ns: int) -> None:
        halted_with_a_command_unread(day, now_ns)
        if late and day.operator.hands_off_until_ns and not day.sends:
            day.bus.stall(day.gateway.name, CONTROL.key, now_ns + 100 * NS_PER_MS)

    monkeypatch.setattr(core, "_obey", only_armed)
    monkeypatch.setattr(Lease, "problem", lambda lease, mono_ns, _: "" if lease.held(mono_ns) else "over")
    day = Scripted(desk, script)
    day.run()
    assert any("was sent in a halt" in str(breach) for breach in no_entry_after_a_stop(day.witness))


def test_an_arming_counts_though_the_control_stream_is_late(desk: Desk) -> None:
    """Risk's words come with the stops: an entry was called a breach while only the other stream stood."""

    def script(day: Scripted, now_ns: int) -> None:
        if day.gateway.state.reference is not None and not day.sends:
            day.bus.stall(day.gateway.name, CONTROL.key, now_ns + 100 * NS_PER_MS)

    day = Scripted(desk, script)
    day.run()
    assert day.witness.entries and violations(day.witness) == []


def test_a_person_who_may_not_arm_lets_what_is_held_be_sold(desk: Desk) -> None:
    """Where a clock was distrusted the virtual person asked to arm in vain until the day was over."""
    stopped: list[int] = []

    def script(day: Scripted, now_ns: int) -> None:
        if day.sends and not stopped:
            stopped.append(now_ns)
            executor = next(process for process in day.processes if process.name == "executor")
            executor.paused_until_ns = now_ns + 300 * NS_PER_MS
            day.operator.ask(TradingState.DISARMED, now_ns)
            day.gateway.clock_shift_ns = 140 * NS_PER_MS

    day = Scripted(desk, script)
    day.run()
    clocks = [m for m in day.messages(ArmRefused) if any("clock" in problem for problem in m.problems)]
    (pair,) = day.messages(PairClosed)[:1]
    assert clocks and pair.bought_shares == pair.sold_shares > 0
    assert pair.closed_at_ns < day.heal_ns, "the clock was right again before anything was sold"
    assert violations(day.witness) == []


RESTING = replace(CALM, broker=replace(CALM.broker, fade_rate=0.8), terms=Terms(nxt_takes_ioc=False))
"""Buys rest on NXT, and many find nothing to meet."""


@pytest.mark.parametrize("cancels", [True, False], ids=["taken back", "left"])
def test_what_rests_as_its_venue_pauses_is_found(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    """A compressed sweep of 75 ms left no time for a cancel that the broker's rate holds for a second: the
    sweep takes two seconds of a virtual day, and what then still rests is a violation."""
    obeyed = order_desk.command

    def no_cancel(turn: Any, message: Any, *rest: Any) -> None:
        if not isinstance(message, CancelOrder):
            obeyed(turn, message, *rest)

    if not cancels:
        monkeypatch.setattr(own_cancels, "cancel_open", lambda turn, wanted, reason: None)
        monkeypatch.setattr(order_desk, "command", no_cancel)
    something_rests = (1, 5, 6)
    assert [_left_open(desk, seed) for seed in something_rests] == [not cancels] * 3


def _left_open(desk: Desk, seed: int) -> bool:
    day = VirtualDay(desk, seed, RESTING)
    day.run()
    return any("open across a pause" in str(breach) for breach in only_in_the_windows(day.witness))


def test_a_gateway_that_comes_back_as_the_day_ends_still_settles_what_it_left(desk: Desk) -> None:
    """Virtual days of 20 s that healed late ended before the broker could be asked about an unknown order."""
    day = VirtualDay(desk, 1, CALM)

    def dies_once() -> str:
        if day.time.now_ns < day.heal_ns or day.gateway.paused_until_ns:
            return ""
        day.gateway.paused_until_ns = day.end_ns - NS_PER_S // 2
        return "before"

    day.gateway.dies_at_send = dies_once
    day.witness.healed_in_time = False
    day.run()
    assert day.gateway.paused_until_ns
    assert day.time.now_ns > day.end_ns
    assert violations(day.witness) == []


def test_a_gateway_killed_each_time_it_is_ready_is_ready_again_at_once_and_trades(desk: Desk) -> None:
    """Each start asked for the day's limits anew: the seventh within three minutes had no query left for
    them, and no order went until it had."""
    killed_ns: list[int] = []
    ready_ns: list[int] = []

    def script(day: Scripted, now_ns: int) -> None:
        if not day.gateway.up or day.gateway.state.link.state is not ConnectionState.READY:
            return
        if len(ready_ns) == len(killed_ns):
            ready_ns.append(now_ns)
        if len(killed_ns) < 7:
            day.gateway.kill()
            day.restart_ns["gateway"] = now_ns + 50 * NS_PER_MS
            killed_ns.append(now_ns)

    day = Scripted(desk, script)
    day.heal_ns = day.end_ns
    day.run()
    assert len(killed_ns) == 7 and len(ready_ns) == 8
    assert max(ready - killed for killed, ready in zip(killed_ns, ready_ns[1:], strict=True)) < 3 * NS_PER_S
    assert violations(day.witness) == []
    assert [m for m in day.messages(PairClosed) if m.closed_at_ns > ready_ns[-1]]


def test_limits_of_the_day_that_come_late_leave_no_order_unknown(desk: Desk) -> None:
    """A session that waited for the limits was never ready while orders in question spent all queries."""
    assert run_day(desk, 7033).violations == []


def test_redis_forgets_a_pair_in_a_blink_with_the_risk_that_approved_it(desk: Desk) -> None:
    """The executor told its end again before the gateway told its orders: risk closed it once more."""
    lost: list[str] = []

    def script(day: Scripted, now_ns: int) -> None:
        closed = [pair for pair in day.messages(PairClosed) if pair.trip]
        if lost or not closed:
            return
        lost.append(closed[0].pair_id)
        approved = next(pair for pair in day.messages(PairApproved) if pair.pair_id == lost[0])
        day.bus.forget_since(approved.approved_at_ns - 1)
        day.gateway.paused_until_ns = now_ns + 300 * NS_PER_MS  # it tells its orders last
        risk = next(process for process in day.processes if process.name == "risk")
        risk.kill()
        day.restart_ns["risk"] = now_ns + 500 * NS_PER_MS

    day = Scripted(desk, script)
    day.run()
    assert lost and violations(day.witness) == []
    assert [pair.pair_id for pair in day.messages(PairClosed)].count(lost[0]) == 1


@pytest.mark.parametrize("name", ["gateway", "risk", "executor"])
def test_whoever_dies_with_a_redis_that_forgets_in_a_blink_the_desk_comes_right(
    desk: Desk, name: str
) -> None:
    """Half a pair is bought, and the second in which that happened is gone with the process."""
    struck: list[int] = []

    def script(day: Scripted, now_ns: int) -> None:
        filled = day.messages(OrderFilled)
        if len(struck) < 3 and filled and now_ns > (struck or [0])[-1] + 3 * NS_PER_S:
            struck.append(now_ns)
            day.bus.forget_since(now_ns - 900 * NS_PER_MS)
            process = next(each for each in day.everyone if each.name == name)
            process.kill()
            day.restart_ns[name] = now_ns + 300 * NS_PER_MS

    day = Scripted(desk, script)
    day.run()
    assert len(struck) >= 2 and violations(day.witness) == []
    assert len({pair.pair_id for pair in day.messages(PairClosed) if pair.trip}) > 1


def test_blank_rows_of_two_shares_are_not_a_row_that_stays_blank(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two looks each showed a blank row, of another share each time: that latched the desk."""
    blanked: dict[str, int] = {}

    def one_blank_row(trcode: str, table: Table) -> Table:
        shares, now_ns = {row.get("종목코드", "") for row in table.rows}, day.time.now_ns
        apart = now_ns - max(blanked.values(), default=0) > 2_500 * NS_PER_MS
        if (
            trcode != "OPT10075"
            or len(shares) != 1
            or len(blanked) == 2
            or shares & blanked.keys()
            or not apart
        ):
            return table
        blanked[shares.pop()] = now_ns
        return replace(table, rows=[dict.fromkeys(table.rows[0], ""), *table.rows[1:]])

    def script(day: Scripted, now_ns: int) -> None:
        day.broker_does(lost_chejan_rate=1.0, lost_ack_rate=1.0)

    day = Scripted(desk, script)
    monkeypatch.setattr(day.world.openapi, "_blanked", one_blank_row)
    day.run()
    assert len(blanked) == 2 and violations(day.witness) == []


def test_a_renewal_that_redis_took_twice_is_good_from_its_later_entry(desk: Desk) -> None:
    """The judge went by the first of both, which it had seen one step before the gateway read the second."""
    assert run_day(desk, 10128).violations == []


def test_holdings_beside_a_blank_list_are_no_baseline(desk: Desk) -> None:
    """What a person had bought was in them, and counted twice when its row could be read."""
    assert run_day(desk, 11544).violations == []


@pytest.mark.parametrize("seed", [42411, 45643])
def test_a_held_symbol_whose_registrations_stay_silent_is_registered_again(desk: Desk, seed: int) -> None:
    assert run_day(desk, seed).violations == []


def test_a_stop_that_only_the_executor_remembers_is_taken_in_by_risk_again(desk: Desk) -> None:
    """Redis lost the stop with the risk that knew of it: a person armed a desk whose executor stood still."""
    assert run_day(desk, 46535).violations == []
