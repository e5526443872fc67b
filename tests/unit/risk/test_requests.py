"""A person's request is decided once, while it holds; what stops or tightens holds at any age."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.control import (
    ArmRefused,
    HaltLiftRequested,
    LatchClearRequested,
    LimitChangeProposed,
    LimitChangeRefused,
    LimitChangeRequested,
    LimitConfirmRequested,
    ReferencePublished,
    ReferenceReloadRequested,
    RequestRefused,
    RequestWithdrawn,
    StopRequested,
    SymbolPauseRequested,
    SymbolResumeRequested,
    TradingStateRequested,
    WithdrawalTaken,
)
from services.contracts.request_life import MOST_LIFE_MS, REQUESTS, life_ms_of
from services.contracts.step import Received
from services.contracts.terms import Latch, TradingState
from services.risk.core import decide
from services.risk.latches import set_latch
from services.risk.observed import FilesRefused
from tests.unit.detector import world
from tests.unit.detector.world import DATE, SAMSUNG, ms
from tests.unit.risk.desk import Desk, armed, files, of, ready, shown

WHO: dict[str, Any] = {"by": "kim", "reason": "t"}
ASKED_MS = 100


def read(desk: Desk, request: Message, after_ms: int, **envelope: Any) -> list[Message]:
    """Let risk read a request so long after Redis took it."""
    event = world.received(shown(request, desk.state), ms(ASKED_MS))
    changed = event.envelope.model_copy(update=envelope)
    return desk.hand(replace(event, envelope=changed, now_ns=ms(ASKED_MS + after_ms)))


def refusals(said: list[Message]) -> list[str]:
    kinds = of(said, RequestRefused), of(said, LimitChangeRefused), of(said, ArmRefused)
    return [m.problem for m in (*kinds[0], *kinds[1])] + [p for m in kinds[2] for p in m.problems]


def halted() -> Desk:
    desk = ready()
    desk.tell(StopRequested(target=TradingState.HALTED, **WHO), at_ms=20)
    return desk


def latched() -> Desk:
    desk = ready()
    desk.state = set_latch(desk.state, Latch.PAIR_LOSS, "t", ms(20)).state
    return desk


def paused() -> Desk:
    desk = ready()
    desk.tell(SymbolPauseRequested(symbol=SAMSUNG, **WHO), at_ms=20)
    return desk


def proposed() -> Desk:
    desk = ready()
    desk.tell(LimitChangeRequested(name="max_open_pairs", value="4", **WHO), at_ms=20)
    return desk


def confirmation(desk: Desk) -> Message:
    return LimitConfirmRequested(proposal_id=next(iter(desk.state.proposals)), by="lee", reason="t")


ALLOWING: dict[str, Any] = {
    "arm": (ready, lambda desk: TradingStateRequested(target=TradingState.ARMED, **WHO)),
    "reduce": (ready, lambda desk: TradingStateRequested(target=TradingState.REDUCE_ONLY, **WHO)),
    "lift": (halted, lambda desk: HaltLiftRequested(stop_count=-1, **WHO)),
    "latch": (latched, lambda desk: LatchClearRequested(latch=Latch.PAIR_LOSS, **WHO)),
    "resume": (paused, lambda desk: SymbolResumeRequested(symbol=SAMSUNG, stop_count=-1, **WHO)),
    "limit": (ready, lambda desk: LimitChangeRequested(name="max_open_pairs", value="4", **WHO)),
    "confirm": (proposed, confirmation),
    "reload": (ready, lambda desk: ReferenceReloadRequested(**WHO)),
}


def what_holds(desk: Desk) -> tuple[Any, ...]:
    state = desk.state
    return (
        state.trading.state, state.trading.latched, state.paused, state.proposals, state.overrides,
        state.reload,
    )  # fmt: skip


@pytest.mark.parametrize("name", ALLOWING)
def test_what_allows_more_is_obeyed_only_within_its_life(name: str) -> None:
    make, ask = ALLOWING[name]
    desk = make()
    request, before = ask(desk), what_holds(desk)
    life_ms = life_ms_of(type(request).__name__)
    late = read(desk, request, life_ms)
    assert what_holds(desk) == before and "expired" in refusals(late)[0]
    assert not refusals(read(desk, request, 1_000)) and what_holds(desk) != before


@pytest.mark.parametrize("name", ALLOWING)
def test_a_request_of_a_release_without_lives_is_refused_in_words(name: str) -> None:
    make, ask = ALLOWING[name]
    desk = make()
    before = what_holds(desk)
    said = read(desk, ask(desk), 1, life_ms=0)
    assert what_holds(desk) == before and "release" in refusals(said)[0]


def test_a_request_is_decided_once_and_known_by_its_id() -> None:
    desk = ready()
    arm = world.received(shown(ALLOWING["arm"][1](desk), desk.state), ms(ASKED_MS))
    desk.hand(arm)
    desk.tell(StopRequested(target=TradingState.DISARMED, **WHO), at_ms=ASKED_MS + 10)
    again = desk.hand(replace(arm, entry_id=f"{ms(ASKED_MS + 20) // 10**6}-0", now_ns=ms(ASKED_MS + 20)))
    assert again == [] and desk.state.trading.state is TradingState.DISARMED


def test_an_entry_that_is_written_again_gets_no_new_life() -> None:
    desk = ready()
    arm = world.received(shown(ALLOWING["arm"][1](desk), desk.state), ms(ASKED_MS))
    later = ms(ASKED_MS + 3_600_000)
    said = desk.hand(replace(arm, entry_id=f"{later // 10**6}-0", now_ns=later))
    assert "expired" in refusals(said)[0] and desk.state.trading.state is TradingState.DISARMED


TIGHTENING: dict[str, Message] = {
    "disarm": TradingStateRequested(target=TradingState.DISARMED, **WHO),
    "halt": StopRequested(target=TradingState.HALTED, **WHO),
    "pause a symbol": SymbolPauseRequested(symbol=SAMSUNG, **WHO),
    "tighter limit": LimitChangeRequested(name="max_open_pairs", value="1", **WHO),
}


@pytest.mark.parametrize("name", TIGHTENING)
def test_what_stops_or_tightens_never_expires(name: str) -> None:
    desk = armed()
    before = what_holds(desk)
    said = read(desk, TIGHTENING[name], 3_600_000, life_ms=0)
    assert what_holds(desk) != before and not refusals(said)


@pytest.mark.parametrize("name", ["disarm", "tighter limit"])
def test_what_was_asked_with_a_life_is_not_obeyed_after_it_even_if_it_tightens_by_then(name: str) -> None:
    """Its person was told that it never would be."""
    desk = armed()
    before = what_holds(desk)
    assert "expired" in refusals(read(desk, TIGHTENING[name], 3_600_000))[0]
    assert what_holds(desk) == before


def test_a_withdrawn_request_is_not_obeyed_when_it_comes() -> None:
    desk = ready()
    arm = world.received(shown(ALLOWING["arm"][1](desk), desk.state), ms(ASKED_MS))
    back = RequestWithdrawn(request=arm.envelope.type, request_id=arm.envelope.id, by="kim")
    (taken,) = of(desk.tell(back, at_ms=ASKED_MS), WithdrawalTaken)
    assert not taken.decided
    assert "kim withdrew it" in refusals(desk.hand(arm)) and desk.state.trading.state is TradingState.DISARMED


def test_a_withdrawal_after_the_decision_says_so() -> None:
    desk = ready()
    arm = world.received(shown(ALLOWING["arm"][1](desk), desk.state), ms(ASKED_MS))
    desk.hand(arm)
    back = RequestWithdrawn(request=arm.envelope.type, request_id=arm.envelope.id, by="kim")
    (taken,) = of(desk.tell(back, at_ms=ASKED_MS), WithdrawalTaken)
    assert taken.decided and desk.state.trading.state is TradingState.ARMED


def test_a_confirmed_limit_outlives_its_request() -> None:
    desk = proposed()
    (told,) = of(read(desk, confirmation(desk), 1), ReferencePublished)
    assert told.reference.limits.max_open_pairs == 4
    desk.tick(3_600_000)
    assert desk.state.reference is not None and desk.state.reference.limits.max_open_pairs == 4


def test_the_table_names_messages_and_lives_of_at_most_ten_seconds() -> None:
    known = Message.registry()
    assert all(name in known for name in REQUESTS)
    assert all(0 < life_ms_of(name) <= MOST_LIFE_MS for name in REQUESTS)
    desk = proposed()
    assert of(desk.said, LimitChangeProposed)
    assert isinstance(world.received(confirmation(desk), 1), Received)


def asked_to_reload(desk: Desk) -> str:
    event = world.received(ReferenceReloadRequested(**WHO), ms(ASKED_MS))
    desk.hand(event)
    return event.envelope.id


def answers_to(desk: Desk, request_id: str, observed: Message) -> list[Message]:
    """What risk says because of a request, once its shell has observed the files."""
    step = decide(desk.state, world.received(observed, ms(ASKED_MS)))
    desk.state = step.state
    return [out.message for out in step.out if out.cause_id == request_id]


def test_a_reload_is_answered_with_what_is_in_force_because_of_it() -> None:
    desk = ready()
    request_id = asked_to_reload(desk)
    (published,) = answers_to(desk, request_id, files(asked=True))
    assert isinstance(published, ReferencePublished) and not published.notes


def test_a_reload_of_what_waits_is_refused_each_time() -> None:
    """The alert about the file came when risk saw it; a person who asks after that is told all the same."""
    desk = armed()
    looser = world.limits(max_open_pairs=4)
    desk.tell(files(looser))
    request_id = asked_to_reload(desk)
    said = answers_to(desk, request_id, files(looser, asked=True))
    (published,), (refusal,) = of(said, ReferencePublished), of(said, RequestRefused)
    assert published.reference.limits.max_open_pairs == 2 and "max_open_pairs" in refusal.problem


def test_a_reload_of_a_broken_file_is_refused_each_time() -> None:
    desk = ready()
    broken = FilesRefused(trading_date=DATE, problems=("limits.toml, line 3: no number",), by="kim")
    desk.tell(broken)
    request_id = asked_to_reload(desk)
    (refusal,) = of(answers_to(desk, request_id, broken), RequestRefused)
    assert "line 3" in refusal.problem
