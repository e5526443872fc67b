"""What the control and the market's frames leave blank lifts nothing, closes nothing and drops nothing."""

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import CommandDenied
from services.contracts.messages.venue_state import DayFactsPublished, HaltKind, SymbolHaltChanged
from services.contracts.reasons import GateReason
from services.contracts.terms import Symbol, Venue
from services.gateway.book_feed import BookFeed, size
from services.gateway.control_calls import Calls
from services.gateway.effects import Effect, Query, ReadMaster
from services.gateway.facts import Answered, Interrupted
from services.gateway.order_table import OrderTable
from services.gateway.vi_halts import is_release

from .desk import SYMBOL, Desk, FakeBroker, S, at, exit_order, fresh, order, ready, restarted

HALTED = Symbol("000660")


class Control:
    """The control's master data; `blank` leaves out what it names."""

    def __init__(self) -> None:
        self.blank: frozenset[str] = frozenset()
        self.warning = "0"

    def codes_by_market(self, market: str) -> str:
        return "" if "list" in self.blank or market != "NXT" else "005930;000660;005380;373220;"

    def stock_state(self, code: str) -> str:
        if "states" in self.blank:
            return "  "
        return "증거금100%|거래정지" if code == HALTED else "증거금40%|신용가능"

    def function(self, name: str, argument: str) -> str:
        return self.warning


class MasterDesk(Desk):
    def _do(self, effect: Effect) -> None:
        if isinstance(effect, ReadMaster):
            self.feed(Calls(control).read_master(effect.symbols))  # type: ignore[arg-type]
        else:
            super()._do(effect)


control = Control()


@pytest.fixture
def desk() -> Desk:
    control.__init__()  # type: ignore[misc]
    plain = fresh(facts_every_s=1)
    return ready(MasterDesk(plain.state, plain.now_ns))


def is_halted(desk: Desk) -> bool:
    return HaltKind.TRADING_HALT in desk.state.halts.halted(HALTED, Venue.KRX)


def screens(desk: Desk) -> set[str]:
    return {item.screen for item in desk.state.registered}


class TestMaster:
    def test_one_blank_answer_changes_nothing(self, desk: Desk) -> None:
        before = (is_halted(desk), screens(desk), desk.state.facts.nxt_eligible)
        assert before[0]
        control.blank = frozenset({"list", "states"})
        desk.run(1.2)
        control.blank = frozenset()
        desk.run(5)
        assert (is_halted(desk), screens(desk), desk.state.facts.nxt_eligible) == before
        assert not [m for m in desk.told(SymbolHaltChanged) if m.kind is HaltKind.NOT_ELIGIBLE]

    def test_one_that_stays_blank_for_two_seconds_counts_and_is_told(self, desk: Desk) -> None:
        control.blank = frozenset({"list"})
        desk.run(5)
        assert not desk.state.facts.nxt_eligible
        assert AlertCode.QUERY_UNANSWERED in [m.code for m in desk.told(AlertRaised) if not m.resolved]
        control.blank = frozenset()
        desk.run(3)
        assert SYMBOL in desk.told(DayFactsPublished)[-1].nxt_eligible
        assert [m for m in desk.told(AlertRaised) if m.code == AlertCode.QUERY_UNANSWERED][-1].resolved

    def test_a_symbol_whose_first_state_is_blank_stands_still_until_it_counts(self) -> None:
        control.__init__()  # type: ignore[misc]
        control.blank = frozenset({"states"})
        plain = fresh()
        desk = MasterDesk(plain.state, plain.now_ns)
        ready(desk)
        assert desk.state.halts.halted(SYMBOL, Venue.KRX)
        control.blank = frozenset()
        desk.run(2)
        assert not desk.state.halts.halted(SYMBOL, Venue.KRX)

    def test_a_warning_that_no_list_has_bars_purchases_and_is_told(self, desk: Desk) -> None:
        control.warning = "9"
        desk.run(2)
        assert SYMBOL in desk.state.facts.warnings
        assert AlertCode.BROKER_WORD_UNKNOWN in [m.code for m in desk.told(AlertRaised)]


class TestLimits:
    class Once(FakeBroker):
        """Leaves out a figure of one symbol in its first answers."""

        blanks = 1
        asked = 0

        def reply(self, query: Query) -> Answered:
            answer = super().reply(query)
            if query.trcode != "OPTKWFID":
                return answer
            self.asked += 1
            left_out = self.asked <= self.blanks
            rows = tuple(
                {**r, "상한가": ""} if left_out and r["종목코드"] == SYMBOL else r for r in answer.rows
            )
            return Answered(answer.screen, answer.rqname, answer.trcode, False, answer.single, rows)

    def desk(self, blanks: int) -> tuple[Desk, "TestLimits.Once"]:
        desk, broker = fresh(), self.Once()
        broker.blanks = blanks
        desk.broker = broker
        return ready(desk), broker

    def test_a_blank_figure_is_asked_for_again_at_once_and_told(self) -> None:
        desk, broker = self.desk(1)
        desk.run(5)
        assert SYMBOL in desk.state.facts.bands
        assert broker.asked == 2
        told = [m.resolved for m in desk.told(AlertRaised) if m.code == AlertCode.BANDS_UNREAD]
        assert told == [False, True]

    def test_one_that_stays_blank_is_asked_for_once_a_minute(self) -> None:
        desk, broker = self.desk(1_000)
        desk.run(600)
        assert 8 <= broker.asked <= 13

    def test_what_is_held_is_sold_without_the_days_limits_and_nothing_is_bought(self) -> None:
        desk, _ = self.desk(1_000)
        desk.hear(order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2"), "buy")
        assert desk.told(CommandDenied)[-1].reason is GateReason.COLLAR
        desk.state = desk.state.but(orders=OrderTable(carried={"P1": 10}), carried={"P1": 10})
        desk.hear(exit_order(desk.now_ns), "sell")
        assert [send.order_id for send in desk.sends] == ["P1.1.s.1"]

    def test_without_limits_a_sell_far_from_its_reference_is_still_refused(self) -> None:
        desk, _ = self.desk(1_000)
        desk.state = desk.state.but(orders=OrderTable(carried={"P1": 10}), carried={"P1": 10})
        desk.hear(exit_order(desk.now_ns, price_krw=150_000), "sell")
        assert [m.reason for m in desk.told(CommandDenied)] == [GateReason.COLLAR]


def vi(desk: Desk, start: str, release: str = "000000", kind: str = "정적") -> None:
    desk.feed(Interrupted({9001: SYMBOL, 1221: "200000", 1223: start, 1224: release, 1225: kind, 1279: ""}))


def active(desk: Desk) -> bool:
    return HaltKind.VOLATILITY_INTERRUPTION in desk.state.halts.halted(SYMBOL, Venue.KRX)


class TestVi:
    @pytest.mark.parametrize("start", ["", "10000", "000000", "996100", "12:00:00", "235959"])
    def test_one_whose_start_is_no_time_lasts(self, start: str) -> None:
        desk = ready(fresh())
        vi(desk, start)
        desk.run(60)
        assert active(desk)
        desk.now_ns = at(10, 12)
        desk.tick()
        assert not active(desk)

    @pytest.mark.parametrize("release", ["", "      ", "000000", "0", "00:02", "------", "099999", "095959"])
    def test_a_release_that_is_no_time_or_before_the_start_lifts_nothing(self, release: str) -> None:
        desk = ready(fresh())
        vi(desk, "100003")
        vi(desk, "100003", release)
        assert active(desk)

    def test_the_release_of_an_earlier_one_leaves_the_later(self) -> None:
        desk = ready(fresh())
        vi(desk, "100003", kind="동적")
        vi(desk, "100100")
        vi(desk, "100003", "100203", kind="동적")
        assert active(desk)
        again = restarted(desk)
        assert active(again)
        vi(desk, "100100", "100300")
        assert not active(desk)

    def test_a_second_one_without_a_start_stops_again(self) -> None:
        desk = ready(fresh())
        for _ in range(2):
            vi(desk, "")
            assert active(desk)
            vi(desk, "", "100203")
            assert not active(desk)

    def test_a_frame_that_names_no_symbol_is_told(self) -> None:
        desk = ready(fresh())
        desk.feed(Interrupted({9001: " ", 1223: "100003", 1224: "000000", 1225: "정적"}))
        assert AlertCode.FRAMES_GARBLED in [m.code for m in desk.told(AlertRaised)]

    def test_a_kind_that_no_list_has_is_one_all_the_same(self) -> None:
        desk = ready(fresh())
        vi(desk, "100003", kind="확장")
        assert active(desk)
        assert AlertCode.BROKER_WORD_UNKNOWN in [m.code for m in desk.told(AlertRaised)]

    def test_a_release_is_a_time_after_the_start(self) -> None:
        assert is_release("100203", "100003")
        assert is_release("100203", "")
        assert not is_release("000000", "")


class TestBooks:
    def test_a_price_without_shares_makes_the_book_unreadable(self) -> None:
        values = {41: "+70100", 61: " ", 51: "+70000", 71: "5", 21: "100000"}
        quote = BookFeed(1).quote("005930", lambda fid: values.get(fid, ""), 1, S)
        assert quote.refused is not None

    def test_a_trade_without_price_or_size_is_none(self) -> None:
        for values in ({10: "", 15: "+5"}, {10: "+70000", 15: ""}):
            with pytest.raises(ValueError, match=r"price|blank"):
                BookFeed(1).trade("005930", lambda fid, v=values: v.get(fid, ""), S)  # type: ignore[misc]

    @pytest.mark.parametrize("text", ["", "  ", "１２", "1.5"])
    def test_shares_that_are_no_number_are_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"blank|number"):
            size(text)
