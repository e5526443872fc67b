"""Login, loss and reconciliation; the pace of queries; the log of intentions."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.limits import LIMITER_WINDOW_NS, NS_PER_MS, NS_PER_S, QUERY_LADDER
from services.contracts.messages.orders import AccountReported, CommandDenied, ReconciliationCompleted
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState, DayFactsPublished
from services.contracts.reasons import GateReason
from services.contracts.terms import GatewayMode, Venue
from services.gateway.core import recovered
from services.gateway.effects import (
    EXIT_PLANNED_CUT,
    EXIT_RECONNECT,
    EXIT_REFUSED,
    Connect,
    Exit,
    Query,
    Register,
    Send,
)
from services.gateway.evidence import Unusable
from services.gateway.facts import Answered, Connected, LoggedIn, QueryReturned, Started
from services.gateway.intention_log import IntentionLog, LogDamaged
from services.gateway.link_desk import account_of, next_epoch
from services.gateway.query_desk import Ask, QueryDesk, RoundKind
from services.gateway.replies import bands, cash, holdings
from services.gateway.settings import GatewaySettings
from services.runtime.settings import SettingsError, load_settings

from .desk import (
    ACCOUNT,
    BASE_KRW,
    DATE,
    Desk,
    at,
    chejan,
    exit_order,
    fresh,
    log_in,
    order,
    ready,
    reference,
)
from .test_order_truth import row


def states(desk: Desk) -> list[ConnectionState]:
    return [m.state for m in desk.told(ConnectionChanged)]


def exits(desk: Desk) -> list[int]:
    return [effect.code for effect in desk.effects if isinstance(effect, Exit)]


class TestLogin:
    def test_ready_comes_only_after_comparing(self) -> None:
        desk = fresh()
        desk.broker.answers = False
        desk.feed(Started())
        desk.feed(Connected(0))
        desk.run(2)
        assert states(desk)[-1] is ConnectionState.SYNCHRONISING
        desk.broker.answers = True
        desk.run(8)
        assert states(desk)[-1] is ConnectionState.READY
        assert desk.told(ReconciliationCompleted)[-1].differences == ()
        assert desk.told(AccountReported)[-1].orderable_krw == 90_000_000

    def test_exits_wait_for_reconciliation(self) -> None:
        desk = fresh()
        desk.broker.answers = False
        log_in(desk)
        desk.run(1)
        desk.hear(order(desk.now_ns), "o")
        assert desk.told(CommandDenied)[-1].reason in (GateReason.NOT_READY, GateReason.TRADING_STATE)
        assert desk.sends == []

    def test_a_gateway_that_lost_all_it_had_stored_still_numbers_its_connection_higher(self) -> None:
        """Readers that went on refuse books of a lower number than they know."""
        before = ready(fresh())
        for _ in range(3):
            log_in(before).run(1)
        anew = ready(fresh(now_ns=before.now_ns))
        assert anew.state.connection_epoch > before.state.connection_epoch

    @given(before=st.integers(0, 2**40), now_ns=st.integers(0, 2**62))
    def test_the_number_of_a_connection_only_grows(self, before: int, now_ns: int) -> None:
        after = next_epoch(before, now_ns)
        assert after > before
        assert next_epoch(0, now_ns + NS_PER_S) >= next_epoch(0, now_ns)
        assert after - before == 1 or after == now_ns // NS_PER_S

    def test_a_doubled_connect_event_is_one_login(self, desk: Desk) -> None:
        epoch = desk.state.connection_epoch
        desk.feed(Connected(0))
        assert desk.state.connection_epoch == epoch
        assert states(desk)[-1] is ConnectionState.READY

    def test_the_day_is_told_with_every_band(self, desk: Desk) -> None:
        facts = desk.told(DayFactsPublished)[-1]
        assert {band.base_krw for band in facts.bands.values()} == {BASE_KRW}
        assert set(facts.bands) == set(facts.nxt_eligible) == {e.krx_code for e in reference().symbols}

    def test_a_failed_login_is_tried_again(self) -> None:
        desk = fresh()
        desk.feed(Started())
        desk.feed(Connected(-101))
        desk.run(1)
        assert sum(isinstance(effect, Connect) for effect in desk.effects) == 2

    def test_a_login_that_takes_longer_than_we_wait_is_a_login_all_the_same(self) -> None:
        """A person types, the client updates itself: its event came when nobody waited any more."""
        desk = fresh()
        desk.feed(Started())
        desk.tick(121)
        assert states(desk)[-1] is ConnectionState.DISCONNECTED
        desk.feed(Connected(0))
        desk.run(4)
        assert states(desk)[-1] is ConnectionState.READY
        assert sum(isinstance(effect, Connect) for effect in desk.effects) == 1

    def test_a_line_lost_between_login_and_question_is_a_failed_login_and_no_refusal(self) -> None:
        """Found by a virtual day: blank answers were taken for the wrong server, and the process ended."""
        desk = fresh()
        desk.feed(Started())
        desk.feed(LoggedIn((), ""))
        assert states(desk)[-1] is ConnectionState.DISCONNECTED
        assert exits(desk) == []
        desk.run(1)
        assert sum(isinstance(effect, Connect) for effect in desk.effects) == 2

    def test_everything_is_registered_before_it_is_ready(self, desk: Desk) -> None:
        registered = [e for e in desk.effects if isinstance(e, Register)]
        assert {code.endswith("_NX") for e in registered for code in e.codes} == {True, False}
        assert ("3000", (215, 20, 214)) in {(e.screen, e.fids) for e in registered}


class TestWhichLogin:
    @pytest.mark.parametrize(
        ("changes", "gubun", "accounts", "refused"),
        [
            ({"mode": "simulated"}, "1", (ACCOUNT,), False),
            ({"mode": "simulated"}, "0", (ACCOUNT,), True),
            ({"mode": "simulated"}, "", (ACCOUNT,), True),
            ({"mode": "live", "live_account": ACCOUNT}, "0", (ACCOUNT,), False),
            ({"mode": "live", "live_account": ACCOUNT}, "1", (ACCOUNT,), True),
            ({"mode": "live", "live_account": "1111111111"}, "0", (ACCOUNT,), True),
            ({"mode": "observe"}, "0", (ACCOUNT,), False),
            ({"mode": "simulated"}, "1", (ACCOUNT, "1111111111"), True),
            ({"mode": "simulated", "account": ACCOUNT}, "1", (ACCOUNT, "1111111111"), False),
            ({"mode": "simulated", "account": "1111111111"}, "1", (ACCOUNT,), True),
            ({"mode": "simulated"}, "1", (), True),
        ],
    )
    def test_it_must_be_what_the_settings_say(
        self, changes: dict[str, Any], gubun: str, accounts: tuple[str, ...], refused: bool
    ) -> None:
        account, problem = account_of(GatewaySettings(**changes), LoggedIn(accounts, gubun))
        assert bool(problem) is refused
        assert account == ("" if refused else ACCOUNT)

    def test_a_refused_login_ends_the_process(self) -> None:
        desk = fresh(GatewayMode.LIVE, live_account="1111111111")
        log_in(desk)
        assert exits(desk) == [EXIT_REFUSED]

    def test_live_needs_two_settings(self) -> None:
        with pytest.raises(SettingsError, match="live_account"):
            load_settings(GatewaySettings, mode="live")


class TestLoss:
    def test_a_loss_ends_the_process_for_its_supervisor(self, desk: Desk) -> None:
        desk.feed(Connected(-106))
        assert states(desk)[-1] is ConnectionState.DISCONNECTED
        assert exits(desk) == [EXIT_RECONNECT]

    def test_in_the_nightly_cut_it_is_planned(self) -> None:
        desk = ready(fresh(now_ns=at(7, 30)))
        desk.now_ns = at(24 + 5)
        desk.tick()
        desk.feed(Connected(-106))
        last = desk.told(ConnectionChanged)[-1]
        assert (last.state, last.planned) == (ConnectionState.CLOSED, True)
        assert exits(desk) == [EXIT_PLANNED_CUT]

    def test_started_in_the_brokers_night_it_says_so_and_logs_in_at_its_end(self) -> None:
        desk = fresh(now_ns=at(5))
        desk.feed(Started())
        last = desk.told(ConnectionChanged)[-1]
        assert (last.state, last.planned, last.detail) == (
            ConnectionState.CLOSED, True, "the broker's night, until 07:00",
        )  # fmt: skip
        desk.tick()
        assert states(desk)[-1] is ConnectionState.CLOSED
        desk.now_ns = at(7)
        desk.tick()
        assert states(desk)[-1] is ConnectionState.CONNECTING

    def test_in_process_it_logs_in_again_with_a_new_epoch(self) -> None:
        desk = ready(fresh(reconnect="in_process"))
        before = desk.state.connection_epoch
        desk.feed(Connected(-106))
        desk.hear(order(desk.now_ns), "o")
        assert desk.told(CommandDenied)[-1].reason is GateReason.NOT_READY
        desk.run(0.5)
        desk.feed(Connected(0))
        desk.run(6)
        assert states(desk)[-1] is ConnectionState.READY
        assert desk.state.connection_epoch > before
        assert exits(desk) == []


class TestQueries:
    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.sampled_from(list(RoundKind)), st.integers(0, 3)), max_size=60))
    def test_no_window_of_the_broker_is_ever_overfull(self, wants: list[tuple[RoundKind, int]]) -> None:
        desk, now_ns, times = QueryDesk(), 10**12, []
        for kind, pages in wants:
            desk = desk.want(kind, (Ask("OPT10075"), Ask("OPT10076")))
            left = pages
            for _ in range(200):
                now_ns += 50 * NS_PER_MS
                desk, query = desk.next(now_ns)
                if query is not None:
                    times.append(now_ns)
                    desk, _ = desk.answered(query.rqname, left > 0, {}, ({"a": "1"},))
                    left -= 1
                if desk.idle:
                    break
        for count, window_ns in QUERY_LADDER:
            assert all(late - early >= window_ns for early, late in zip(times, times[count:], strict=False))

    def test_pages_are_joined_and_nothing_comes_between(self) -> None:
        desk = QueryDesk().want(RoundKind.ORDERS, (Ask("OPT10075"),))
        desk, query = desk.next(10**12)
        assert query is not None
        desk = desk.want(RoundKind.RESOLVE, (Ask("OPT10076"),))
        desk, done = desk.answered(query.rqname, True, {}, ({"row": "1"},))
        assert done is None
        desk, page = desk.next(10**12 + NS_PER_MS)
        assert page is not None
        assert (page.trcode, page.more, page.screen) == ("OPT10075", True, query.screen)
        desk, done = desk.answered(page.rqname, False, {}, ({"row": "2"},))
        assert done is not None
        assert [row["row"] for row in done.replies[0].rows] == ["1", "2"]

    def test_unknown_orders_come_before_everything(self) -> None:
        desk = QueryDesk().want(RoundKind.ACCOUNT, (Ask("a"),)).want(RoundKind.RESOLVE, (Ask("r"),))
        _, query = desk.next(10**12)
        assert query is not None
        assert query.trcode == "r"

    def test_the_last_tokens_are_for_unknown_orders(self) -> None:
        now_ns = 10**13
        history = tuple(now_ns - n * 3 * NS_PER_S for n in range(48, 0, -1))
        spent = QueryDesk(history=history)
        for routine in (RoundKind.DAY, RoundKind.ORDERS, RoundKind.ACCOUNT):
            assert spent.want(routine, (Ask("o"),)).next(now_ns)[1] is None
        for exits_wait_for in (RoundKind.RESOLVE, RoundKind.FULL):
            assert spent.want(exits_wait_for, (Ask("r"),)).next(now_ns)[1] is not None

    def test_an_open_residual_is_sold_soon_after_the_last_of_many_reconnections(self) -> None:
        """Found by a drill: six logins in three minutes had used up what the next one had to ask."""
        desk = ready(fresh(reconnect="in_process"))
        desk.hear(order(desk.now_ns), "o")
        (send,) = desk.sends
        desk.answer(send, "0000001")
        desk.frame(**chejan(send, "0000001", "체결", remaining=0, cum=10, amount=1_995_000))
        desk.broker.rows = [row(send, "0000001", cum=10, amount=1_995_000, remaining=0)]
        desk.broker.holdings = {send.args[4]: 10}
        for _ in range(9):
            desk.feed(Connected(-106))
            desk.run(0.5)
            desk.feed(Connected(0))
            desk.run(19)
        assert states(desk)[-1] is ConnectionState.READY
        desk.feed(Connected(-106))
        desk.run(0.5)
        desk.feed(Connected(0))
        desk.run(5)
        assert states(desk)[-1] is ConnectionState.READY
        desk.hear(exit_order(desk.now_ns, qty_shares=10), "x")
        assert [send.order_id for send in desk.sends][-1] == "P1.1.s.1"

    def test_an_order_that_does_not_close_leaves_queries_for_the_next_login(self, desk: Desk) -> None:
        desk.hear(order(desk.now_ns), "o")
        (send,) = desk.sends
        desk.answer(send, "0000001")
        desk.broker.rows = [row(send, "0000001", cum=0, amount=0, remaining=10)]
        desk.run(170)
        sustained = QUERY_LADDER[1]
        assert sum(at > desk.now_ns - sustained[1] for at in desk.state.desk.history) <= sustained[0] - 4

    def test_a_refused_query_is_tried_again_after_a_pause(self) -> None:
        desk = fresh()
        desk.broker.answers = False
        log_in(desk)
        desk.tick(1.2)
        first = next(e for e in desk.effects if isinstance(e, Query))
        desk.feed(QueryReturned(first.rqname, -200))
        asked = len([e for e in desk.effects if isinstance(e, Query)])
        desk.run(0.5)
        assert len([e for e in desk.effects if isinstance(e, Query)]) == asked
        desk.run(1)
        assert len([e for e in desk.effects if isinstance(e, Query)]) == asked + 1

    def test_an_answer_that_comes_too_late_is_not_taken_for_another(self, desk: Desk) -> None:
        before = desk.state
        desk.feed(Answered("6000", "q9999", "OPT10075", False, {}, ()))
        assert desk.state.desk.round == before.desk.round


class TestReplies:
    def test_money_is_read_with_its_sign(self) -> None:
        assert cash({"d+2추정예수금": "000000000000100", "주문가능금액": "-00000000000050"}) == (100, -50)

    def test_what_is_settled_is_the_cash(self) -> None:
        assert cash({"예수금": "9", "d+2추정예수금": "7", "주문가능금액": "5"}) == (7, 5)

    def test_missing_money_is_said(self) -> None:
        with pytest.raises(Unusable, match="예수금"):
            cash({})

    def test_a_band_without_all_figures_is_left_out(self) -> None:
        assert bands([{"종목코드": "005930", "기준가": "100", "상한가": "130", "하한가": ""}]) == ({}, [])

    def test_shares_sold_out_are_not_held(self) -> None:
        rows = [
            {"종목번호": "A005930", "보유수량": "0"},
            {"종목번호": "A000660", "보유수량": "000000000000002"},
        ]
        assert holdings(rows) == {"000660": 2}


def test_a_start_leaves_a_window_for_queries_that_no_store_knows(desk: Desk) -> None:
    """Found by a virtual day (seed 60565): Redis forgot the last queries, and a successor began at once."""
    again = Desk(recovered(fresh().state, [], DATE), desk.now_ns)
    log_in(again)
    started_ns = again.now_ns
    while not any(isinstance(effect, Query) for effect in again.effects):
        again.tick(0.05)
        assert again.now_ns < started_ns + 10 * NS_PER_S
    assert again.now_ns - started_ns >= LIMITER_WINDOW_NS


class TestIntentionLog:
    def test_what_was_appended_is_read_back(self, tmp_path: Path) -> None:
        log = IntentionLog(tmp_path)
        lines = [{"k": "not_sent", "id": f"한{n}"} for n in range(5)]
        for line in lines:
            log.append(DATE, line, sync=True)
        log.close()
        assert IntentionLog(tmp_path).read(DATE) == lines

    @given(cut=st.integers(1, 40))
    def test_a_torn_last_line_is_cut_off_and_the_next_one_is_whole(
        self, cut: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        log = IntentionLog(tmp_path_factory.mktemp("log"))
        log.append(DATE, {"k": "not_sent", "id": "first"}, sync=True)
        log.append(DATE, {"k": "not_sent", "id": "second-and-quite-long"}, sync=True)
        log.close()
        path = log.path(DATE)
        path.write_bytes(path.read_bytes()[:-cut])
        again = IntentionLog(log.folder)
        assert [line["id"] for line in again.read(DATE)] == ["first"]
        again.append(DATE, {"k": "not_sent", "id": "third"}, sync=True)
        again.close()
        assert [line["id"] for line in again.read(DATE)] == ["first", "third"]

    @pytest.mark.parametrize("bad", ["{", "[]", '{"id": "x"}', "\x00\x00"])
    def test_damage_in_the_middle_is_refused_with_its_line(self, tmp_path: Path, bad: str) -> None:
        log = IntentionLog(tmp_path)
        good = json.dumps({"k": "not_sent", "id": "x"})
        log.path(DATE).write_text(f"{good}\n{bad}\n{good}\n")
        with pytest.raises(LogDamaged, match="line 2"):
            log.read(DATE)

    def test_dates_have_files_of_their_own(self, tmp_path: Path) -> None:
        log = IntentionLog(tmp_path)
        log.append("2026-11-23", {"k": "not_sent", "id": "a"}, sync=False)
        log.append("2026-11-24", {"k": "not_sent", "id": "b"}, sync=False)
        log.close()
        assert [line["id"] for line in log.read(DATE)] == ["a"]

    def test_the_date_before_is_the_newest_of_those_before(self, tmp_path: Path) -> None:
        log = IntentionLog(tmp_path)
        assert log.read_before(DATE) == []
        for date in ("2026-11-19", "2026-11-20", DATE, "2026-11-24"):
            log.append(date, {"k": "not_sent", "id": date}, sync=False)
        log.close()
        assert [line["id"] for line in log.read_before(DATE)] == ["2026-11-20"]


def test_the_intention_holds_everything_a_restart_needs(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, venue=Venue.NXT), "o")
    send = next(e for e in desk.effects if isinstance(e, Send))
    text = json.dumps(send.intention)
    for piece in ("P1.1.b.1", "005930", "NXT", "limit_ioc", "entry", str(send.args[1])):
        assert piece in text
