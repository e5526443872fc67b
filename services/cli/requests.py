"""A person's request, and what became of it: done, refused or unknown. Stops have a module of their own.

A request is one message with a name and a reason. Who owns the matter answers on a stream, and an answer
belongs to the request that caused it. Where no message answers, the owner's committed position shows that it
has taken the request in. A request with a life (`contracts/request_life`) is waited for until it is decided
or has expired by Redis's own time: an answer that has not come by then never comes, and nothing was done.
Ctrl-C withdraws it. Of any other request silence is reported as silence.
"""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from services.cli.faults import Interrupted
from services.cli.link import Follower, Link, Seen
from services.cli.wording import sentence
from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    AlertAcknowledged,
    ArmingChecked,
    ArmingCheckRequested,
    ArmRefused,
    FlattenRequested,
    FlattenStarted,
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
    RequestWithdrawn,
    ResidualClaimed,
    SymbolResumed,
    SymbolResumeRequested,
    TradingStateChanged,
    TradingStateRequested,
    WithdrawalTaken,
)
from services.contracts.messages.dead import EntryRetried, EntryRetryRequested
from services.contracts.messages.pairs import PairClosed
from services.contracts.streams import ALERTS, CONTROL, PAIRS, STOPS, home_of, key_of
from services.market.dates import time_text
from services.runtime.bus import BusUnavailable
from services.runtime.standing import entry_order

ANSWER_KEYS: Final = tuple(key_of(stream) for stream in (STOPS, CONTROL, ALERTS, PAIRS))
POLL_MS: Final = 50
AWAY_S: Final = 3.0
"""So much longer than a request lives Redis may be away before its fate is called unknown."""


class Fate(StrEnum):
    """What became of a request. `REFUSED`, also by its own end, means that it never will be obeyed."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Expected:
    """What answers a kind of request. `takers` are the services that must have read it.

    Where no message type answers, the takers having read it is all there is to see.
    """

    takers: tuple[str, ...]
    answers: tuple[type[Message], ...]
    silence: str
    """What it means when nobody answers: a sentence."""
    standing: str = "the request stands, and is obeyed when it is read"
    """What is true of one without a life that nobody waits for any more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. `taken_by` are the services seen to have read it.

    `expired`: it had a life that is over without an answer. `until_ns` is when a life ends (Redis time), 0
    where the request has none.
    """

    request: Envelope
    answers: tuple[Message, ...]
    taken_by: tuple[str, ...]
    done: bool
    waited_s: float
    expired: bool = False
    until_ns: int = 0

    @property
    def refused(self) -> bool:
        return self.expired or any(_refuses(answer) for answer in self.answers)

    @property
    def fate(self) -> Fate:
        if self.refused:
            return Fate.REFUSED
        return Fate.DONE if self.done else Fate.UNKNOWN

    def lines(self) -> list[str]:
        """Return what there is to tell, a sentence a line."""
        told = [text for answer in self.answers if (text := _words(answer))]
        if self.done:
            return told or [f"taken in by {', '.join(self.taken_by)}"]
        return [*told, *self._silence()]

    def _silence(self) -> list[str]:
        expected = _expected(self.request.body)
        if self.expired:
            owner, over = " and ".join(expected.takers), time_text(self.until_ns)
            return [f"not done: {owner} did not answer before the request expired at {over}, and never will"]
        if self.until_ns:
            return [f"unknown: Redis does not answer. {_may_be_obeyed(self.until_ns)}"]
        missing = [name for name in expected.takers if name not in self.taken_by] or list(expected.takers)
        silent = f"{' and '.join(missing)} did not answer in {self.waited_s:g} s"
        lines = [f"unknown: {silent}. {expected.silence}"]
        return [*lines, f"read so far by {', '.join(self.taken_by)}"] if self.taken_by else lines

    def as_json(self) -> dict[str, Any]:
        """Return the outcome for a script."""
        return {
            "request": {"id": self.request.id, "type": self.request.type, **self.request.body.model_dump()},
            "outcome": self.fate,
            "done": self.done,
            "refused": self.refused,
            "expired": self.expired,
            "taken_by": list(self.taken_by),
            "answers": [{"type": type(answer).__name__, **answer.model_dump()} for answer in self.answers],
        }


def ask(link: Link, message: Message, wait_s: float, *, lasting: bool = False) -> Outcome:
    """Append a request to its stream and wait for its answer.

    At most `wait_s` seconds where it has no life, else until it is decided or has expired. `lasting`: it only
    tightens, and is obeyed whenever it is read.

    Raises:
        BusUnavailable: Redis did not answer; whether the request was written is not known.
        Interrupted: Ctrl-C ended the waiting; says what became of the request.
    """
    # Its id is known before it is written: it can be withdrawn whatever interrupts this.
    request = link.envelope(message, cause=f"cli-{uuid4()}")
    if lasting:
        request = request.model_copy(update={"life_ms": 0})
    asking = _Asking(link, link.follow(ANSWER_KEYS, tail=1), _expected(message), request)
    try:
        link.write(request)
        return asking.answered(wait_s)
    except KeyboardInterrupt:
        raise Interrupted(asking.given_up()) from None


@dataclass
class _Asking:
    """One request that is waited for. `entry_id` is empty until it was read back from its stream."""

    link: Link
    follower: Follower
    expected: Expected
    request: Envelope
    entry_id: str = ""
    seen: list[Seen] = field(default_factory=list)

    def answered(self, wait_s: float) -> Outcome:
        """Wait until it is answered, has expired, or nothing more is to be waited for."""
        life_s = self.request.life_ms / 1_000
        deadline = time.monotonic() + (life_s + AWAY_S if life_s else wait_s)
        while True:
            outcome = self._look(wait_s)
            if outcome.fate is not Fate.UNKNOWN or time.monotonic() > deadline:
                return outcome

    def _look(self, wait_s: float) -> Outcome:
        """One look at the streams. An expiry counts only if they were read whole after it."""
        over, taken = False, tuple[str, ...]()
        try:
            over = bool(self.entry_id) and 0 < self._until_ns <= self.link.bus.time_ns()
            self._read(whole=over)
            taken = self._taken()
        except BusUnavailable:
            over = False
            time.sleep(POLL_MS / 1_000)
        answers = self._answers()
        done = bool(answers) if self.expected.answers else set(taken) == set(self.expected.takers)
        return Outcome(
            self.request, answers, taken, done, wait_s, expired=over and not done, until_ns=self._until_ns
        )

    @property
    def _until_ns(self) -> int:
        """When its life ends (Redis time), by its entry once that was read; 0 where it has none."""
        begun_ns = entry_order(self.entry_id)[0] * NS_PER_MS if self.entry_id else self.request.ts_init_ns
        life_ns = self.request.life_ms * NS_PER_MS
        return begun_ns + life_ns if life_ns else 0

    def _read(self, *, whole: bool) -> None:
        """Read what is new, and where its life is over everything that was written until then."""
        self.seen += self.follower.drain() if whole else self.follower.read(POLL_MS)
        # Streams have no order between them: the answer can stand before the request that was read with it.
        own = (item.entry_id for item in self.seen if item.envelope.id == self.request.id)
        self.entry_id = self.entry_id or next(own, "")

    def _answers(self) -> tuple[Message, ...]:
        """What the request caused and answers it. Nothing else does, whoever asked for the same."""
        caused = self._caused_by(self.request)
        return tuple(m for m in caused if isinstance(m, self.expected.answers) or _refuses(m))

    def _caused_by(self, request: Envelope) -> tuple[Message, ...]:
        return tuple(item.message for item in self.seen if item.envelope.causation_id == request.id)

    def _taken(self) -> tuple[str, ...]:
        """The takers whose committed position has passed the request. One beyond the stream's end is of
        another Redis and says nothing."""
        if not self.entry_id:
            return ()
        key, reached = key_of(home_of(type(self.request.body))), entry_order(self.entry_id)
        end = entry_order(self.link.bus.standing([key]).last_ids.get(key, "0-0"))
        read = ((name, self.link.committed(name).get(key, "0-0")) for name in self.expected.takers)
        return tuple(name for name, at in read if reached <= entry_order(at) <= end)

    # -- Ctrl-C --------------------------------------------------------------------------

    def given_up(self) -> str:
        """Take the request back where it has a life, and return what became of it, as a sentence."""
        if not self.request.life_ms:
            return f"stopped waiting: {_expected(self.request.body).standing}"
        try:
            return self._withdrawn() or f"unknown: {_may_be_obeyed(self._until_ns)}"
        except (BusUnavailable, KeyboardInterrupt):
            return f"unknown: {_may_be_obeyed(self._until_ns)}"

    def _withdrawn(self) -> str:
        """Withdraw it; returns empty where nobody said what became of it."""
        what, by = self.request.type, self.request.body.by
        back = RequestWithdrawn(request=what, request_id=self.request.id, by=by)
        withdrawal = self.link.append(back, cause=f"cli-{uuid4()}")
        deadline = time.monotonic() + self.request.life_ms / 1_000 + AWAY_S
        while time.monotonic() < deadline:
            outcome = self._look(0)
            # The owner also refuses what it finds withdrawn: its word on the withdrawal counts first.
            taken = (word for word in self._caused_by(withdrawal) if isinstance(word, WithdrawalTaken))
            if any(not word.decided for word in taken):
                return "withdrawn: nothing was done, and the request is not obeyed any more"
            if outcome.fate is not Fate.UNKNOWN:
                return "; ".join(outcome.lines() if outcome.expired else ("too late", *outcome.lines()))
        return ""


def _may_be_obeyed(until_ns: int) -> str:
    return f"The request may be obeyed until {time_text(until_ns)}; look at `arb status` after that."


def _words(answer: Message) -> str:
    """An alert that answers says all it has: what is wrong, where, and the next step."""
    if isinstance(answer, AlertRaised):
        return f"{sentence(answer)}: {answer.detail} {answer.next_step}".rstrip()
    return sentence(answer)


def _refuses(message: Message) -> bool:
    if isinstance(message, AlertRaised):
        return message.code == AlertCode.CLAIM_REFUSED
    if isinstance(message, EntryRetried):
        return bool(message.problem)
    return isinstance(message, ArmRefused | LimitChangeRefused | RequestRefused)


_RISK_SILENT: Final = "It is obeyed once it is read; look at it with `arb status`."
_RISK: Final = ("risk",)


def _of_risk(*answers: type[Message]) -> Expected:
    return Expected(_RISK, answers, _RISK_SILENT)


def _expected(message: Message) -> Expected:
    if isinstance(message, EntryRetryRequested):
        return Expected((message.service,), (EntryRetried,), "")
    return _EXPECTED[type(message)]


_EXPECTED: Final[dict[type[Message], Expected]] = {
    TradingStateRequested: _of_risk(TradingStateChanged),
    ArmingCheckRequested: Expected(
        _RISK, (ArmingChecked,), "Whether arming would work is not known.",
        "risk was asked whether arming would be obeyed, and nothing else: nothing was armed",
    ),
    HaltLiftRequested: _of_risk(TradingStateChanged),
    LatchClearRequested: _of_risk(LatchCleared),
    LimitChangeRequested: _of_risk(ReferencePublished, LimitChangeProposed),
    LimitConfirmRequested: _of_risk(ReferencePublished),
    ReferenceReloadRequested: _of_risk(ReferencePublished),
    SymbolResumeRequested: _of_risk(SymbolResumed),
    FlattenRequested: Expected(("executor",), (FlattenStarted,), ""),
    ResidualClaimed: Expected(
        ("executor",), (PairClosed,), "The claim is taken in when the executor reads it; is its id right?"
    ),
    AlertAcknowledged: Expected(("notifier",), (), "It will be told again until the notifier has read this."),
}  # fmt: skip
