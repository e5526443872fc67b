"""A wish to sell is decided once by the executor, while it holds, and the gateway follows its word."""

import pytest

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import (
    FlattenRequested,
    FlattenStarted,
    RequestRefused,
    RequestWithdrawn,
    StopRequested,
    WithdrawalTaken,
)
from services.contracts.request_life import life_ms_of
from services.contracts.step import Received
from services.contracts.terms import TradingState
from tests.unit.detector.world import received
from tests.unit.executor.desk import BID, Desk, fail_rungs, holding

WISH = FlattenRequested(by="kim", reason="get out")
LIFE_MS = life_ms_of("FlattenRequested")
TRIED = 6


@pytest.fixture
def desk() -> Desk:
    """Holding what six attempts did not sell."""
    stranded = holding()
    fail_rungs(stranded, TRIED)
    return stranded


def asked(desk: Desk) -> Received:
    return received(WISH, desk.now_ns)


def sold(desk: Desk) -> bool:
    """Whether more was tried than the six attempts."""
    desk.level(BID)
    desk.tick(1_000)
    return len(desk.flattens) > TRIED


def refusal(desk: Desk) -> str:
    return desk.last(RequestRefused).problem


def test_a_wish_within_its_life_sells_and_is_told(desk: Desk) -> None:
    event = asked(desk)
    desk._decide(event)
    started = desk.last(FlattenStarted)
    assert started.asked_ns == event.entered_ns and started.pair_ids == (desk.pair.pair_id,)
    assert sold(desk)


def test_a_wish_that_is_read_hours_later_sells_nothing(desk: Desk) -> None:
    event = asked(desk)
    desk.restart()
    desk.now_ns += 3 * 3_600_000 * NS_PER_MS
    desk._decide(Received(event.envelope, event.stream_key, event.entry_id, desk.now_ns))
    assert "expired" in refusal(desk) and not sold(desk)


def test_a_wish_of_a_release_without_lives_is_refused_in_words(desk: Desk) -> None:
    event = asked(desk)
    old = event.envelope.model_copy(update={"life_ms": 0})
    desk._decide(Received(old, event.stream_key, event.entry_id, desk.now_ns))
    assert "release" in refusal(desk) and not sold(desk)


def test_a_wish_is_obeyed_once_and_its_sells_outlive_it(desk: Desk) -> None:
    event = asked(desk)
    desk._decide(event)
    for _ in range(2):
        tried = len(desk.flattens)
        desk.close(desk.flattens[-1])
        desk.live(LIFE_MS)
        desk.tick(100)
        assert len(desk.flattens) > tried, "what follows from a request never expires by it"
    told = desk.said.count(desk.last(FlattenStarted))
    desk._decide(event)
    assert desk.said.count(desk.last(FlattenStarted)) == told


def test_a_withdrawn_wish_sells_nothing(desk: Desk) -> None:
    event = asked(desk)
    desk.hear(RequestWithdrawn(request=event.envelope.type, request_id=event.envelope.id, by="kim"))
    assert not desk.last(WithdrawalTaken).decided
    desk._decide(event)
    assert "kim withdrew it" in refusal(desk) and not sold(desk)


def test_a_wish_is_refused_with_the_path_of_the_halt_file_that_lies_there(desk: Desk) -> None:
    stop = StopRequested(target=TradingState.DISARMED, by="somebody", reason="laid", halt_file="/desk/HALT")
    desk.hear(stop)
    desk.hear(StopRequested(target=TradingState.PAUSE_ENTRY, by="kim", reason="besides"))
    desk.tick(100)
    desk._decide(asked(desk))
    assert "/desk/HALT" in refusal(desk) and not sold(desk)
    desk.hear(stop.model_copy(update={"halt_file": ""}))
    desk.tick(100)
    desk._decide(asked(desk))
    assert desk.last(FlattenStarted)
