"""The day's limits: asked for once a date, kept over restarts, never those of another day."""

from collections import Counter
from dataclasses import replace

from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.orders import CommandDenied
from services.contracts.messages.venue_state import ConnectionState, DayFactsPublished
from services.contracts.reasons import GateReason
from services.contracts.terms import TradingDate
from services.gateway.core import recovered
from services.gateway.effects import Query
from services.market.files import load_symbol_map
from services.runtime.settings import config_dir

from .desk import DATE, Desk, at, fresh, log_in, order, ready, reference, restarted

NEXT = TradingDate("2026-11-24")
LOGIN = {"OPT10075": 1, "OPT10076": 1, "OPW00001": 1, "OPW00018": 1, "OPT10054": 1}
"""What a login costs: the comparison, and VI frames switched on."""


def queries(desk: Desk) -> dict[str, int]:
    return dict(Counter(effect.trcode for effect in desk.effects if isinstance(effect, Query)))


def is_ready(desk: Desk) -> bool:
    return desk.state.link.state is ConnectionState.READY


def test_a_restart_of_the_same_date_asks_only_what_its_login_needs(desk: Desk) -> None:
    again = log_in(restarted(desk))
    again.run(4)
    assert is_ready(again)
    assert queries(again) == LOGIN
    assert again.told(DayFactsPublished)[-1].bands == desk.told(DayFactsPublished)[-1].bands


def test_eight_restarts_within_three_minutes_are_each_ready_and_may_enter(desk: Desk) -> None:
    """Found by a drill: after six of them the limits waited for the broker's queries, and orders for them."""
    for n in range(8):
        desk = log_in(restarted(desk))
        desk.run(4)
        assert is_ready(desk)
        desk.hear(order(desk.now_ns, order_id=f"P{n}.1.b.1", pair_id=f"P{n}"), f"o{n}")
        assert len(desk.sends) == 1
        desk.broker.rows = []
        desk.state = desk.state.but(orders=type(desk.state.orders)(), working={})


def test_a_state_that_was_lost_asks_anew(desk: Desk) -> None:
    lost = ready(Desk(recovered(fresh().state, [], DATE), desk.now_ns))
    assert queries(lost) == {**LOGIN, "OPTKWFID": 1}


def test_limits_of_another_date_are_never_told(desk: Desk) -> None:
    desk.now_ns = at(24 + 8)
    again = log_in(restarted(desk, NEXT))
    again.broker.answers = False
    again.run(2)
    assert all(not m.bands for m in again.told(DayFactsPublished))
    again.broker.answers = True
    again.run(10)
    assert is_ready(again)
    assert queries(again)["OPTKWFID"] == 1
    assert again.told(DayFactsPublished)[-1].trading_date == NEXT
    assert again.told(DayFactsPublished)[-1].bands


def test_what_was_read_before_the_brokers_night_ended_is_read_again_after_a_restart() -> None:
    """At midnight the date is new, and the broker's limits are still those of the day before."""
    early = ready(fresh(now_ns=at(0, 30)))
    assert early.state.facts.bands
    early.now_ns = at(7, 0, 1)
    late = log_in(restarted(early))
    late.broker.answers = False
    late.run(1)
    assert not late.state.facts.bands
    late.broker.answers = True
    late.run(10)
    assert queries(late)["OPTKWFID"] == 1
    assert is_ready(late)


def test_a_gateway_that_lives_through_the_night_reads_them_again_at_its_end() -> None:
    desk = ready(fresh(now_ns=at(0, 30)))
    before = queries(desk)["OPTKWFID"]
    desk.now_ns = at(6, 59, 59)
    desk.tick(0.5)
    assert desk.state.facts.bands
    desk.said.clear()
    desk.tick(1)
    assert desk.told(DayFactsPublished)[0].bands == {}
    desk.run(10)
    assert queries(desk)["OPTKWFID"] == before + 1
    assert desk.told(DayFactsPublished)[-1].bands


def test_an_answer_to_yesterdays_question_is_not_taken_for_today() -> None:
    desk = fresh(now_ns=at(23, 59, 50))
    hear_reference(desk)
    desk.broker.answers = False
    log_in(desk)
    while (flight := desk.state.desk.flight) is None or flight.query.trcode != "OPTKWFID":
        if flight is not None:
            desk.feed(desk.broker.reply(flight.query))
        desk.tick(0.2)
    desk.now_ns = at(23, 59, 59)
    desk.tick(1)
    assert desk.state.session.trading_date == NEXT
    desk.feed(desk.broker.reply(flight.query))
    assert not desk.state.facts.bands
    desk.broker.answers = True
    desk.run(10)
    assert desk.told(DayFactsPublished)[-1].trading_date == NEXT
    assert desk.told(DayFactsPublished)[-1].bands


def hear_reference(desk: Desk, symbols: int = 4) -> None:
    shown = reference().model_copy(update={"symbols": load_symbol_map(config_dir(), ("g1", "g2"))[:symbols]})
    desk.hear(
        ReferencePublished(reference=shown, reference_hash=shown.hash, by="t", reason="t"), f"r{symbols}"
    )


def test_a_symbol_that_comes_while_the_question_waits_is_asked_for_too() -> None:
    desk = fresh()
    hear_reference(desk, 2)
    spent = tuple(desk.now_ns - 5 * NS_PER_S - n for n in range(36, 0, -1))
    desk.state = desk.state.but(desk=replace(desk.state.desk, history=spent))
    log_in(desk)
    desk.run(4)
    assert "OPTKWFID" not in queries(desk)
    hear_reference(desk, 4)
    desk.run(180)
    assert len(desk.told(DayFactsPublished)[-1].bands) == 4


def test_entries_wait_until_interruptions_are_told(desk: Desk) -> None:
    desk.broker.answers = False
    again = log_in(restarted(desk))
    while (flight := again.state.desk.flight) is None or flight.query.trcode != "OPT10054":
        if flight is not None:
            again.feed(again.broker.reply(flight.query))
        again.tick(0.2)
    again.lease()
    assert is_ready(again)
    again.hear(order(again.now_ns, order_id="P2.1.b.1", pair_id="P2", symbol="000660"), "entry")
    assert again.told(CommandDenied)[-1].reason is GateReason.NOT_READY
    again.feed(again.broker.reply(flight.query))
    again.hear(order(again.now_ns, order_id="P3.1.b.1", pair_id="P3"), "entry again")
    assert [send.order_id for send in again.sends] == ["P3.1.b.1"]


def test_the_screen_of_the_interruptions_is_used_for_nothing_else(desk: Desk) -> None:
    desk.run(130 * 12, lease=False)
    by_screen = {e.screen: {q.trcode for q in desk.effects if isinstance(q, Query) and q.screen == e.screen}
                 for e in desk.effects if isinstance(e, Query)}  # fmt: skip
    assert [screens for screens in by_screen.values() if "OPT10054" in screens] == [{"OPT10054"}]


def test_a_session_waits_five_seconds_for_limits_and_is_ready_without() -> None:
    """Found by a seed: lists in question spent the broker's queries, the limits got none, and what the lists
    did not show counts in a ready session alone."""
    desk = fresh()
    desk.broker.limits = False
    desk = ready(desk)
    assert not is_ready(desk)
    desk.run(2.5)
    assert is_ready(desk) and not desk.state.facts.bands
    desk.hear(order(desk.now_ns), "P1.1.b.1")
    assert desk.told(CommandDenied)[-1].reason is GateReason.COLLAR
