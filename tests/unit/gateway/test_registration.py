"""What is needed is registered in the end: after the still hours, after a refusal, before an order."""

import datetime as dt

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import ReferencePublished
from services.contracts.terms import Symbol, TradingDate
from services.gateway.core import recovered
from services.gateway.effects import Effect, ReadMaster, Register
from services.gateway.facts import Connected, MasterRead, Registered
from services.gateway.settings import GatewaySettings
from services.gateway.subscriptions import REGISTER_LATEST_NS, plan
from services.market.dates import midnight_wall_ns
from services.market.files import load_symbol_map
from services.runtime.settings import config_dir

from .desk import Desk, S, at, chejan, fresh, log_in, order, ready, reference, restarted


def codes(desk: Desk) -> set[str]:
    return {code for item in desk.state.registered for code in item.codes}


def six_symbols(desk: Desk) -> None:
    symbols = load_symbol_map(config_dir(), ("g1", "g2"))[:6]
    more = reference().model_copy(update={"symbols": symbols})
    desk.hear(ReferencePublished(reference=more, reference_hash=more.hash, by="t", reason="t"), "more")


def send_map(desk: Desk, *, off: int = 0) -> None:
    """The four symbols, the first `off` of them switched off."""
    entries = reference().symbols
    chosen = tuple(e.model_copy(update={"enabled": at >= off}) for at, e in enumerate(entries))
    sent = reference().model_copy(update={"symbols": chosen})
    desk.hear(ReferencePublished(reference=sent, reference_hash=sent.hash, by="t", reason="t"), f"map{off}")


class TestStillHours:
    def test_a_map_that_came_meanwhile_is_registered_when_they_end(self) -> None:
        desk = ready(fresh(now_ns=at(8, 50)))
        desk.now_ns = at(9, 0)
        desk.tick(0)
        six_symbols(desk)
        desk.run(5)
        assert len(codes(desk)) == 8
        desk.now_ns = at(9, 15, 1)
        desk.run(2)
        assert len(codes(desk)) == 12

    def test_a_symbol_that_nxt_took_back_meanwhile_gets_its_book(self) -> None:
        desk = fresh(now_ns=at(8, 50))
        desk.unlisted = frozenset({Symbol("005930")})
        desk = ready(desk)
        desk.now_ns, desk.unlisted = at(9, 5), frozenset()
        desk.run(90)
        assert "005930_NX" not in codes(desk)
        desk.now_ns = at(9, 16)
        desk.run(2)
        assert "005930_NX" in codes(desk)

    @pytest.mark.parametrize(
        ("date", "hour", "still"),
        [("2026-11-23", 9, True), ("2026-11-23", 10, False), ("2026-11-19", 9, False),
         ("2026-11-19", 10, True), ("2026-01-02", 9, False), ("2026-01-02", 10, True)],
    )  # fmt: skip
    def test_they_move_with_the_open_of_the_day(self, date: str, hour: int, still: bool) -> None:
        day = TradingDate(date)
        desk = Desk(recovered(fresh().state, [], day), midnight_wall_ns(day) + hour * 3600 * S - 110 * S)
        desk = ready(desk)
        assert len(codes(desk)) == 8
        six_symbols(desk)
        desk.run(1)
        assert len(codes(desk)) == (8 if still else 12)

    def test_a_cold_start_within_them_registers_both_venues(self) -> None:
        """The map comes after the login, and the control's word on NXT after the map."""
        desk = log_in(Asked(fresh().state, at(9, 2)))
        send_map(desk)
        desk.run(1)
        assert not desk.state.registered
        desk.answer_control()
        desk.run(1)
        assert len(codes(desk)) == 8

    def test_a_cold_start_within_them_waits_out_a_blank_list_of_nxt(self) -> None:
        desk = log_in(Asked(fresh().state, at(9, 2)))
        send_map(desk)
        desk.answer_control(nxt_list_blank=True)
        desk.run(3)
        assert not desk.state.registered
        desk.answer_control()
        desk.run(1)
        assert len(codes(desk)) == 8


class Asked(Desk):
    """A control that answers when the test says so."""

    def _do(self, effect: Effect) -> None:
        if not isinstance(effect, ReadMaster):
            super()._do(effect)

    def answer_control(self, *, nxt_list_blank: bool = False) -> None:
        asked = frozenset(e.krx_code for e in reference().symbols)
        listed = frozenset() if nxt_list_blank else asked
        none: frozenset[Symbol] = frozenset()
        self.feed(MasterRead(asked, listed, none, none, nxt_list_blank=nxt_list_blank))


class Refusing(Desk):
    """A control that refuses the screens of books while `refuses`."""

    refuses = True

    def _do(self, effect: Effect) -> None:
        super()._do(effect)
        if isinstance(effect, Register):
            self.feed(Registered(effect.screen, -200 if self.refuses else 0))


class TestRefused:
    def desk(self) -> Refusing:
        plain = fresh()
        return ready(Refusing(plain.state, plain.now_ns))  # type: ignore[return-value]

    def asked(self, desk: Desk) -> list[str]:
        return [effect.screen for effect in desk.effects if isinstance(effect, Register)]

    def told(self, desk: Desk) -> list[bool]:
        found = [m for m in desk.told(AlertRaised) if m.code == AlertCode.REGISTRATION_REFUSED]
        return [bool(m.resolved) for m in found]

    def test_each_screen_is_asked_for_again_until_it_is_taken(self) -> None:
        desk = self.desk()
        assert sorted(desk.state.refused) == ["1000", "2000", "3000"]
        desk.run(10)
        desk.refuses = False
        desk.run(30)
        assert desk.state.refused == {}
        assert self.told(desk) == [False] * 3 + [True] * 3
        before = len(self.asked(desk))
        desk.run(120)
        assert len(self.asked(desk)) == before

    def test_it_is_asked_for_ever_less_often(self) -> None:
        desk = self.desk()
        desk.run(300)
        assert 6 <= self.asked(desk).count("1000") <= 10
        assert self.told(desk) == [False] * 3
        assert all(item.pause_ns == REGISTER_LATEST_NS for item in desk.state.refused.values())


class TestRefusedBefore:
    """A refusal is over when the screen is registered on the next connection, or by the next process."""

    def refused(self) -> tuple[Desk, str]:
        desk = ready(fresh(reconnect="in_process"))
        screen = desk.state.registered[0].screen
        desk.feed(Registered(screen, -200))
        desk.run(1)
        return desk, screen

    def registers(self, desk: Desk, screen: str) -> list[bool]:
        desk.said.clear()
        desk.feed(Registered(screen, 0))
        return [m.resolved for m in desk.told(AlertRaised) if m.alert_id == f"gateway-register-{screen}"]

    def test_the_next_connection_resolves_it(self) -> None:
        desk, screen = self.refused()
        desk.feed(Connected(-106))
        desk.run(2)
        desk.feed(Connected(0))
        assert self.registers(desk, screen) == [True]

    def test_the_next_process_resolves_it(self) -> None:
        desk, screen = self.refused()
        after = ready(restarted(desk))
        assert self.registers(after, screen) == [True]


def test_a_held_symbol_that_is_switched_off_leaves_each_other_its_turn() -> None:
    desk = ready(fresh(max_symbols=3))
    desk.hear(order(desk.now_ns), "o")
    desk.answer(desk.sends[-1], "0000101")
    desk.frame(**chejan(desk.sends[-1], "0000101", "체결", remaining=0, cum=10, amount=1_995_000))
    send_map(desk, off=1)
    seen: set[str] = set()
    for _ in range(10):
        desk.run(1)
        desk.now_ns += desk.state.settings.rotate_s * S
        seen |= codes(desk)
        assert "005930" in codes(desk)
    assert seen >= {entry.krx_code for entry in reference().symbols}


def test_a_symbol_in_turn_whose_order_leaves_gets_its_feed_back() -> None:
    desk = ready(fresh(max_symbols=2))
    while "005930" in codes(desk):
        desk.run(0.2)
    desk.lease()
    desk.hear(order(desk.now_ns), "o")
    desk.tick(0.1)
    assert {"005930", "005930_NX"} <= codes(desk)
    desk.answer(desk.sends[-1], "0000500")
    desk.frame(**chejan(desk.sends[-1], "0000500", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.run(130)
    assert {"005930", "005930_NX"} <= codes(desk)


def test_screens_are_grouped_as_the_settings_say() -> None:
    symbols = [Symbol(f"{number:06d}") for number in range(3)]
    mixed = plan(symbols, frozenset(symbols), 4, mixed=True)
    assert [(item.screen, len(item.codes)) for item in mixed] == [("1000", 4), ("1001", 2)]
    apart = plan(symbols, frozenset(symbols), 2)
    assert [(item.screen, len(item.codes)) for item in apart] == [
        ("1000", 2), ("1001", 1), ("2000", 2), ("2001", 1),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="raise codes_per_screen"):
        GatewaySettings(max_symbols=200, codes_per_screen=3)


@pytest.mark.parametrize(("start", "end"), [("09:15", "08:58"), ("09:00", "09:00"), ("00:00", "23:59")])
def test_a_freeze_that_is_none_or_lasts_all_day_is_refused(start: str, end: str) -> None:
    with pytest.raises(ValueError, match="must follow still_from"):
        GatewaySettings(still_from=dt.time.fromisoformat(start), still_to=dt.time.fromisoformat(end))
