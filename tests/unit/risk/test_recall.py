"""A risk without a stored state takes from the past what stopped and the last reference, nothing else."""

from typing import Any

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.control import (
    LatchCleared,
    LatchClearRequested,
    LatchSet,
    LimitChangeRequested,
    LimitConfirmRequested,
    ReferencePublished,
    StopRequested,
    SymbolPauseRequested,
    SymbolResumeRequested,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.step import Received
from services.contracts.terms import Latch, TradingState
from services.contracts.trading_limits import STRICTEST, TradingLimits
from services.risk.observed import FilesRefused
from tests.unit.detector import world
from tests.unit.detector.world import DATE, SAMSUNG, ms
from tests.unit.risk.desk import Desk, armed, files, of, opening, ready, shown

WHO: dict[str, Any] = {"by": "kim", "reason": "t"}
BEGAN_MS = 3_600_000
HALT = StopRequested(target=TradingState.HALTED, **WHO)
DISARM = StopRequested(target=TradingState.DISARMED, **WHO)
ARM = TradingStateRequested(target=TradingState.ARMED, **WHO)


def of_before(*messages: Message, state: Any = None) -> list[Received]:
    """Entries that Redis took before the desk began, as it reads them now."""
    read = []
    for at_ms, message in enumerate(messages, start=1):
        event = world.received(message, ms(at_ms))
        read.append(Received(event.envelope, event.stream_key, event.entry_id, ms(BEGAN_MS)))
    return read


def began(*messages: Message) -> Desk:
    """A fresh risk that reads what was said before, in the first turn with its files, and then a tick."""
    desk = Desk()
    desk.tick(BEGAN_MS)
    desk.said.clear()
    desk.hand(*of_before(*messages))
    desk.tell(files(), at_ms=BEGAN_MS)
    desk.tick(BEGAN_MS + 100)
    return desk


def reference_with(**limits: Any) -> ReferencePublished:
    before = ready(world.limits(**limits)).state.reference
    assert before is not None
    return ReferencePublished(reference=before, reference_hash=before.hash, **WHO)


def test_a_cold_start_is_disarmed_whatever_was_asked_for_before() -> None:
    desk = began(DISARM, ARM, TradingStateRequested(target=TradingState.PAUSE_ENTRY, **WHO))
    assert desk.state.trading.state is TradingState.DISARMED


def test_the_past_is_answered_with_one_word() -> None:
    desk = began(*(DISARM, ARM) * 100)
    assert len(of(desk.said, TradingStateChanged)) == 1
    assert len(desk.said) < 10


def test_stops_pauses_and_latches_of_the_past_hold_and_are_not_let_go() -> None:
    desk = began(
        HALT, SymbolPauseRequested(symbol=SAMSUNG, **WHO), LatchSet(latch=Latch.PAIR_LOSS, detail="t"),
        LatchClearRequested(latch=Latch.PAIR_LOSS, **WHO), LatchCleared(latch=Latch.PAIR_LOSS, **WHO),
        SymbolResumeRequested(symbol=SAMSUNG, stop_count=1, **WHO),
    )  # fmt: skip
    state = desk.state
    assert state.trading.state is TradingState.HALTED
    assert state.trading.latched == (Latch.PAIR_LOSS,) and SAMSUNG in state.paused
    (word,) = of(desk.said, TradingStateChanged)
    assert (word.state, word.latches, word.stop_id) == (
        TradingState.HALTED, (Latch.PAIR_LOSS,), state.trading.stop_id,
    )  # fmt: skip


@pytest.mark.parametrize(("of_file", "of_past", "holds"), [(2, 1, 1), (2, 4, 2)])
def test_each_limit_is_the_tighter_of_the_file_and_the_last_reference(
    of_file: int, of_past: int, holds: int
) -> None:
    assert world.LIMITS.max_open_pairs == of_file
    desk = began(reference_with(max_open_pairs=4), reference_with(max_open_pairs=of_past))
    assert desk.state.reference is not None
    assert desk.state.reference.limits.max_open_pairs == holds
    assert of(desk.said, ReferencePublished)[-1].reference.limits.max_open_pairs == holds


def test_what_held_before_is_loosened_by_two_persons_alone() -> None:
    """Nobody knows in which mode it held: moving the state aside takes no second person's place."""
    desk = began(reference_with(max_open_pairs=1))
    desk.tell(files(world.limits(max_open_pairs=3)), at_ms=BEGAN_MS + 200)
    assert desk.state.reference is not None and desk.state.reference.limits.max_open_pairs == 1


def test_a_limit_that_two_persons_loosened_once_is_not_loosened_again() -> None:
    loosened = LimitChangeRequested(name="max_open_pairs", value="4", **WHO)
    confirmed = LimitConfirmRequested(proposal_id="1f0c77ab", by="lee", reason="t")
    desk = began(loosened, confirmed)
    assert desk.state.reference is not None and desk.state.reference.limits.max_open_pairs == 2
    assert not desk.state.proposals


def test_a_limit_that_was_tightened_and_never_read_is_tight() -> None:
    tightened = LimitChangeRequested(name="max_open_pairs", value="1", **WHO)
    desk = began(reference_with(max_open_pairs=2), tightened)
    assert desk.state.reference is not None and desk.state.reference.limits.max_open_pairs == 1


def test_what_was_said_before_the_files_were_read_is_kept_until_they_are() -> None:
    desk = Desk()
    desk.tick(BEGAN_MS)
    desk.hand(*of_before(reference_with(max_open_pairs=1)))
    desk.tick(BEGAN_MS + 100)
    desk.tell(files(), at_ms=BEGAN_MS + 200)
    desk.tick(BEGAN_MS + 300)
    assert desk.state.reference is not None and desk.state.reference.limits.max_open_pairs == 1


def test_the_past_is_held_against_the_first_file_that_names_each_limit() -> None:
    """A file that was cut off and put back by one person widened what two had tightened."""
    desk = Desk()
    desk.tick(BEGAN_MS)
    desk.hand(*of_before(reference_with(max_open_pairs=1)))
    cut_off = files(STRICTEST).model_copy(update={"unknown": tuple(TradingLimits.model_fields)})
    refused = FilesRefused(trading_date=DATE, problems=("limits.toml",), by="risk", instead=cut_off)
    desk.tell(refused, at_ms=BEGAN_MS + 100)
    desk.tick(BEGAN_MS + 200)
    desk.tell(files(), at_ms=BEGAN_MS + 300)
    desk.tick(BEGAN_MS + 400)
    assert desk.state.reference is not None and desk.state.reference.limits.max_open_pairs == 1


def test_a_desk_that_began_anew_is_armed_by_a_person_who_looks_now() -> None:
    desk = began(DISARM, ARM)
    desk.tell(*opening(), *world.crossing(), at_ms=BEGAN_MS + 200)
    desk.tell(shown(ARM, desk.state), at_ms=BEGAN_MS + 300)
    assert desk.state.trading.state is TradingState.ARMED


def test_a_risk_with_a_stored_state_has_no_past() -> None:
    desk = armed()
    desk.state = desk.state.but(began_ns=0)
    desk.hand(*of_before(HALT))
    assert desk.state.trading.state is TradingState.HALTED and of(desk.said, TradingStateChanged)
