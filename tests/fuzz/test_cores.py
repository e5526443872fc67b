"""Every message type with extreme values into every core: none raises, and all that is durable comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.envelope import Envelope, Message, Unreadable, decode
from services.contracts.messages.pairs import PairApproved
from services.contracts.step import Event, Outgoing, Received, Step, Tick
from services.contracts.streams import TABLE, home_of, key_of
from services.detector.core import decide as detector
from services.detector.state import DetectorState
from services.executor.core import decide as executor
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.notifier.core import decide as notifier
from services.notifier.state import NotifierState
from services.risk.core import decide as risk
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.contracts.examples import CONTROL, NOW_NS, ORDERS, PAIRS, TICKS, VENUE
from tests.fuzz.extremes import entries, enveloped
from tests.fuzz.profile import examples

KINDS = tuple(kind.__name__ for stream in TABLE for kind in stream.types)
STEPS_NS = (0, 1, 10**6, 10**8, 3 * 10**8, 10**9, 5 * 10**9, 10**11, 10**14, -(10**9), -(10**14))


@dataclass(frozen=True)
class Core:
    """A core and its first state."""

    decide: Callable[[Any, Event], Step[Any]]
    initial: Callable[[], Any]


def _executor() -> ExecutorState:
    settings = ExecutorSettings(_env_file=None)  # type: ignore[call-arg]
    return ExecutorState(settings=settings)


CORES = {
    "detector": Core(detector, lambda: DetectorState(group="g1")),
    "risk": Core(risk, RiskState),
    "executor": Core(executor, _executor),
    "notifier": Core(notifier, NotifierState),
}
DAY = (*VENUE, *CONTROL, *TICKS)
APPROVED = tuple(message for message in PAIRS if isinstance(message, PairApproved))
BEGINNINGS: dict[str, tuple[Message, ...]] = {
    "at first start": (),
    "on a day": DAY,
    "in the middle of a pair": (*DAY, *APPROVED, *ORDERS[:3]),
    "after a pair": (*DAY, *APPROVED, *ORDERS, *PAIRS),
}


def told(text: bytes, number: int, now_ns: int) -> Event | None:
    """The event of one entry; None where a reader buries it."""
    try:
        return Received(decode(text), "fuzz", f"{number}-0", now_ns)
    except Unreadable as problem:
        assert str(problem)
        return None


def as_service(core: Core, state: Any, event: Event) -> Any:
    """One step as the loop does it."""
    step = core.decide(state, event)
    for ordinal, out in enumerate(step.out):
        written(out, event.cause_id, event.now_ns, ordinal)
    return step.state


def written(out: Outgoing, cause_id: str, now_ns: int, ordinal: int) -> None:
    """What a core says must have a stream and be readable there."""
    key_of(home_of(type(out.message)), out.name)
    envelope = Envelope.wrap(
        out.message, source="fuzz", now_ns=now_ns, causation_id=cause_id, ordinal=ordinal,
        correlation_id=out.correlation_id, event_ns=out.event_ns,
    )  # fmt: skip
    assert decode(envelope.encode()).body == out.message


def remembered_as(first: Any, state: Any) -> None:
    """What is stored comes back as it was."""
    again = restore(first, changed_parts(None, state))
    for name in type(state).DURABLE:
        assert getattr(again, name) == getattr(state, name), name


@pytest.mark.parametrize("service", CORES)
@pytest.mark.parametrize("begun", BEGINNINGS)
@given(events=st.lists(st.tuples(st.sampled_from(STEPS_NS), entries(KINDS)), min_size=3, max_size=12))
@examples(40)
def test_no_message_makes_a_core_fail(service: str, begun: str, events: list[tuple[int, bytes]]) -> None:
    core = CORES[service]
    state, now_ns = core.initial(), NOW_NS
    for number, message in enumerate(BEGINNINGS[begun]):
        known = Received(enveloped(message, now_ns, f"known-{number}"), "fuzz", f"{number}-0", now_ns)
        state = as_service(core, state, known)
    state = as_service(core, state, Tick(now_ns))
    for number, (passed_ns, text) in enumerate(events):
        now_ns = max(0, now_ns + passed_ns)
        event = told(text, number, now_ns)
        state = state if event is None else as_service(core, state, event)
        state = as_service(core, state, Tick(now_ns))
    remembered_as(core.initial(), state)
