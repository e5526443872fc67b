"""A person's request on its stream (stops, control), and the visible answer to it.

A request is one message with a name and a reason. Who owns the matter answers on a stream, naming
the request as the cause; where no message answers, the owner's committed position shows that it has
taken the request in. Waiting is bounded, and silence is reported as silence.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from services.cli.link import Link, Seen
from services.cli.wording import sentence
from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import (
    AlertAcknowledged,
    ArmingChecked,
    ArmingCheckRequested,
    ArmRefused,
    FlattenRequested,
    HaltLiftRequested,
    LatchCleared,
    LatchClearRequested,
    LimitChangeProposed,
    LimitChangeRefused,
    LimitChangeRequested,
    LimitConfirmRequested,
    ReferencePublished,
    ReferenceReloadRequested,
    RequestRefused,
    ResidualClaimed,
    StopRequested,
    SymbolPauseRequested,
    SymbolResumed,
    SymbolResumeRequested,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.messages.pairs import PairClosed
from services.contracts.streams import ALERTS, CONTROL, PAIRS, STOPS, home_of, key_of
from services.runtime.standing import entry_order

ANSWER_KEYS: Final = tuple(key_of(stream) for stream in (STOPS, CONTROL, ALERTS, PAIRS))
POLL_MS: Final = 50

Answers = Callable[[Any, Message], bool]


@dataclass(frozen=True, slots=True)
class Expected:
    """What answers a kind of request. `takers` are the services that must have read it.

    Where `answer` is None the takers having read it is all there is to see.
    """

    takers: tuple[str, ...]
    answer: Answers | None
    silence: str
    """What it means when nobody answers: a sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. `taken_by` are the services seen to have read it."""

    request: Envelope
    answers: tuple[Message, ...]
    taken_by: tuple[str, ...]
    done: bool
    waited_s: float

    @property
    def refused(self) -> bool:
        return any(_refuses(answer) for answer in self.answers)

    def lines(self) -> list[str]:
        """Return what there is to tell, a sentence a line."""
        told = [text for answer in self.answers if (text := _words(self.request.body, answer))]
        if self.done:
            return told or [f"taken in by {', '.join(self.taken_by)}"]
        expected = _EXPECTED[type(self.request.body)]
        missing = [name for name in expected.takers if name not in self.taken_by] or list(expected.takers)
        lines = [*told, f"{' and '.join(missing)} did not answer in {self.waited_s:g} s. {expected.silence}"]
        if self.taken_by:
            lines.append(f"read so far by {', '.join(self.taken_by)}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Return the outcome for a script."""
        return {
            "request": {"id": self.request.id, "type": self.request.type, **self.request.body.model_dump()},
            "done": self.done,
            "refused": self.refused,
            "taken_by": list(self.taken_by),
            "answers": [{"type": type(answer).__name__, **answer.model_dump()} for answer in self.answers],
        }


def ask(link: Link, message: Message, wait_s: float) -> Outcome:
    """Append a request to its stream and wait for its answer, at most `wait_s` seconds.

    Raises:
        BusUnavailable: Redis did not answer; whether the request was written is not known.
    """
    expected = _EXPECTED[type(message)]
    follower = link.follow(ANSWER_KEYS, tail=1)
    request = link.append(message, cause=f"cli-{uuid4()}")
    answers: list[Message] = []
    taken: tuple[str, ...] = ()
    entry_id = ""
    deadline = time.monotonic() + wait_s
    while True:
        # Streams have no order between them: the answer can stand before the request that was read with it.
        for item in sorted(follower.read(POLL_MS), key=lambda item: item.envelope.id != request.id):
            if item.envelope.id == request.id:
                entry_id = item.entry_id
            elif entry_id and _answers(expected, request, item):
                answers.append(item.message)
        taken = _taken(link, expected, key_of(home_of(type(message))), entry_id)
        done = bool(answers) if expected.answer is not None else set(taken) == set(expected.takers)
        if done or time.monotonic() > deadline:
            return Outcome(request, tuple(answers), taken, done, wait_s)


def _answers(expected: Expected, request: Envelope, item: Seen) -> bool:
    caused = item.envelope.causation_id == request.id
    if expected.answer is None:
        return caused
    if isinstance(item.message, TradingStateChanged | RequestRefused | ArmRefused | ArmingChecked):
        return caused
    return expected.answer(request.body, item.message) or (caused and _refuses(item.message))


def _taken(link: Link, expected: Expected, key: str, entry_id: str) -> tuple[str, ...]:
    """The takers whose committed position has passed the request. One beyond the stream's end is of another
    Redis and says nothing."""
    if not entry_id:
        return ()
    last_id = link.bus.standing([key]).last_ids.get(key, "0-0")
    positions = ((name, link.bus.positions(name).get(key, "0-0")) for name in expected.takers)
    reached = entry_order(entry_id)
    return tuple(name for name, at in positions if reached <= entry_order(at) <= entry_order(last_id))


def _words(request: Message, answer: Message) -> str:
    """An alert that answers says all it has: what is wrong, where, and the next step."""
    if isinstance(answer, AlertRaised):
        return f"{sentence(answer)}: {answer.detail} {answer.next_step}".rstrip()
    if (
        isinstance(request, StopRequested)
        and isinstance(answer, TradingStateChanged)
        and answer.state is not request.target
    ):
        why = f"by {answer.by}: {answer.reason}"
        return f"no change: the desk is {answer.state} ({why}), which is stricter than {request.target}"
    return sentence(answer)


def _refuses(message: Message) -> bool:
    if isinstance(message, AlertRaised):
        return message.code == AlertCode.CLAIM_REFUSED or (
            message.kind is AlertKind.REFERENCE and not message.resolved
        )
    return isinstance(message, ArmRefused | LimitChangeRefused | RequestRefused)


def _state(request: Message, message: Message) -> bool:
    """The word on the state is an answer where the request caused it, whatever the state is then."""
    return False


def _latch(request: LatchClearRequested, message: Message) -> bool:
    return isinstance(message, LatchCleared) and message.latch is request.latch


def _limit(request: LimitChangeRequested, message: Message) -> bool:
    if isinstance(message, LimitChangeRefused):
        return (message.name, message.by) == (request.name, request.by)
    if isinstance(message, LimitChangeProposed):
        proposal = message.proposal
        return (proposal.name, proposal.value, proposal.by) == (request.name, request.value, request.by)
    return isinstance(message, ReferencePublished) and message.by == request.by


def _confirm(request: LimitConfirmRequested, message: Message) -> bool:
    return isinstance(message, LimitChangeRefused | ReferencePublished) and message.by == request.by


def _reload(request: ReferenceReloadRequested, message: Message) -> bool:
    return isinstance(message, ReferencePublished) or _refuses(message)


def _resume(request: SymbolResumeRequested, message: Message) -> bool:
    return isinstance(message, SymbolResumed) and message.symbol == request.symbol


def _claim(request: ResidualClaimed, message: Message) -> bool:
    return isinstance(message, PairClosed) and message.pair_id == request.pair_id


_RISK_SILENT: Final = "Nothing has changed as far as anybody can see; look at it with `arb status`."

_EXPECTED: Final[dict[type[Message], Expected]] = {
    StopRequested: Expected(
        ("risk", "gateway", "executor"), _state,
        "The gateway and the executor obey a stop without risk, as soon as they have read it.",
    ),
    TradingStateRequested: Expected(("risk",), _state, _RISK_SILENT),
    ArmingCheckRequested: Expected(("risk",), _state, "Whether arming would work is not known."),
    HaltLiftRequested: Expected(("risk",), _state, "The halt holds."),
    LatchClearRequested: Expected(("risk",), _latch, "The latch still holds."),
    LimitChangeRequested: Expected(("risk",), _limit, "The old limits are in force."),
    LimitConfirmRequested: Expected(("risk",), _confirm, "The old limits are in force."),
    ReferenceReloadRequested: Expected(("risk",), _reload, "The old reference data are in force."),
    ResidualClaimed: Expected(("executor",), _claim, "The pair is still open; is its id right?"),
    FlattenRequested: Expected(("executor",), None, "Nothing is being sold as far as anybody can see."),
    SymbolPauseRequested: Expected(("risk", "executor"), _state, _RISK_SILENT),
    SymbolResumeRequested: Expected(("risk",), _resume, _RISK_SILENT),
    AlertAcknowledged: Expected(("notifier",), None, "It will be told again."),
}  # fmt: skip
