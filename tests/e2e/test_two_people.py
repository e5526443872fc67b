"""Two people at one desk, with real processes: what was decided before a halt never lifts it."""

import time
from threading import Thread
from typing import Any

import pytest

from services.cli import commands_trading
from services.cli.link import Link, open_link
from services.cli.requests import Outcome, ask
from services.cli.snapshot import board_now
from services.cli.stops import Stopping, ask_stop
from services.contracts.envelope import Message
from services.contracts.messages.control import StopRequested, TradingStateRequested
from services.contracts.messages.status import RiskStatus
from services.contracts.streams import CONTROL, STOPS
from services.contracts.terms import TradingState
from services.runtime.standing import entry_order
from tests.support.live_desk import SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(240)]
HALT = StopRequested(target=TradingState.HALTED, by="alice", reason="wrong prices")
JUNK = 20_000
DESK = LiveDesk


def halted(desk: LiveDesk, mark: Any) -> None:
    desk.wait(RiskStatus, lambda m: m.state is TradingState.HALTED, mark)


@pytest.mark.parametrize("arm_later_ms", [0, 20])
def test_an_arming_that_was_decided_before_a_halt_does_not_lift_it(desk: LiveDesk, arm_later_ms: int) -> None:
    desk.armed()
    arm = TradingStateRequested(
        target=TradingState.ARMED, by="bob", reason="morning", stop_count=desk.stop_count()
    )
    stopped: list[Stopping] = []
    asked: list[Outcome] = []

    def arms() -> None:
        link = open_link(desk.redis.url)
        time.sleep(arm_later_ms / 1_000)
        asked.append(ask(link, arm, 30))

    threads = [
        Thread(target=lambda: stopped.append(ask_stop(open_link(desk.redis.url), HALT, 30))),
        Thread(target=arms),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stopped[0].done
    mark = desk.mark()
    halted(desk, mark)
    if asked[0].refused:
        (line,) = asked[0].lines()
        assert "alice halted at" in line and "wrong prices" in line and "arb status" in line
    bought = dict(desk.books()["holdings"])
    desk.inject("cross", code=SYMBOLS[0], venue="NXT", bps=60, ms=2_000, shares=500)
    halted(desk, desk.mark())
    assert desk.books()["holdings"] == bought


def test_a_halt_while_a_person_is_asked_refuses_the_answer(
    desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In live mode the question waits for a person; what is halted meanwhile was lifted by "y"."""
    desk.arb("disarm", "--reason", "a break")

    def meanwhile(link: Link, request: Message, wait_s: float) -> Outcome:
        ask_stop(open_link(desk.redis.url), HALT, 30)
        return ask(link, request, wait_s)

    with monkeypatch.context() as patch:
        patch.setattr(commands_trading, "ask", meanwhile)
        looked = ((), board_now(desk.link)[0])
        patch.setattr(commands_trading, "whole_preflight", lambda *asked: looked)  # no notifier runs here
        printed = desk.arb("arm", "--reason", "morning", code=1)
    assert "alice halted at" in printed and "wrong prices" in printed
    assert desk.status()["state"] == "halted"
    assert "arb halt --lift" in desk.arb("reduce", "--reason", "sell", code=1)
    assert "no change" in desk.arb("disarm", "--reason", "enough")
    assert "disarmed" in desk.arb("halt", "--lift", "--reason", "prices are right")
    desk.armed()
    desk.traded(SYMBOLS[1])


def test_a_halt_overtakes_all_that_waits_in_front_of_it(desk: LiveDesk) -> None:
    """Twenty thousand entries of junk delayed it by seven to ten seconds."""
    desk.armed()
    client = desk.link.client
    for _ in range(JUNK // 1_000):
        pipe = client.pipeline(transaction=False)
        for _ in range(1_000):
            pipe.xadd(CONTROL.key, {"m": '{"type": "Junk"}'})
        pipe.execute()
    last = desk.link.bus.tail(CONTROL.key, 1)[0].entry_id
    began_s = time.monotonic()
    desk.say(HALT)
    stop = desk.link.bus.tail(STOPS.key, 1)[0].entry_id

    def positions() -> dict[str, str]:
        return dict(desk.link.bus.positions("gateway"))

    desk.until(
        lambda: entry_order(positions().get(STOPS.key, "0-0")) >= entry_order(stop), "the halt is read"
    )
    took_s = time.monotonic() - began_s
    assert entry_order(positions()[CONTROL.key]) < entry_order(last), f"junk still waits; {took_s:.3f} s"
    halted(desk, desk.mark())
