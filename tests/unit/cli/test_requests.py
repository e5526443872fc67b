"""What became of a request: done, refused or unknown, by an answer that it caused, or by its own end."""

import json
from collections.abc import Callable
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from services.cli.faults import EXIT_INTERRUPTED, Interrupted
from services.cli.link import Link, Seen
from services.cli.requests import Fate, ask
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import (
    ArmingCheckRequested,
    FlattenRequested,
    HaltLiftRequested,
    LimitChangeRefused,
    LimitChangeRequested,
    ReferenceReloadRequested,
    RequestRefused,
    RequestWithdrawn,
    ResidualClaimed,
    TradingStateChanged,
    WithdrawalTaken,
)
from services.contracts.request_life import life_ms_of
from services.contracts.streams import CONTROL, STOPS, state_key
from services.contracts.terms import TradingState
from services.runtime.bus import BusUnavailable
from services.runtime.redis_bus import RedisBus
from services.runtime.standing import Standing
from tests.unit.cli.builders import NOW_NS

LIFT = HaltLiftRequested(by="kim", reason="over", stop_count=7)
LIFE_NS = life_ms_of("HaltLiftRequested") * NS_PER_MS
DISARMED = TradingStateChanged(state=TradingState.DISARMED, by="kim", reason="over", latches=())
REFUSED = RequestRefused(request="HaltLiftRequested", by="kim", problem="no halt holds")
START_MS = NOW_NS // NS_PER_MS


class Redis:
    """Streams and a clock. `after_write` says what is on the streams once the request is, and `clock_ns` goes
    on by `step_ns` at each look."""

    def __init__(self, after_write: Callable[[Envelope], list[Seen]], step_ns: int = 0) -> None:
        self.after_write, self.clock_ns, self.step_ns = after_write, NOW_NS, step_ns
        self.bus = SimpleNamespace(
            positions=lambda name: {}, time_ns=self.time_ns, standing=lambda keys: Standing("", {})
        )
        self.found: list[Seen] = []
        self.written: list[Envelope] = []
        self.interrupts, self.away = 0, False

    def time_ns(self) -> int:
        self.clock_ns += self.step_ns
        return self.clock_ns

    def envelope(self, message: Message, *, cause: str) -> Envelope:
        return Envelope.wrap(message, source="cli", now_ns=NOW_NS, causation_id=cause)

    def write(self, envelope: Envelope) -> None:
        self.written.append(envelope)
        self.found += self.after_write(envelope)

    def append(self, message: Message, *, cause: str) -> Envelope:
        envelope = self.envelope(message, cause=cause)
        self.write(envelope)
        return envelope

    def committed(self, service: str) -> dict[str, str]:
        return {}

    def follow(self, *_: Any, **__: Any) -> "Redis":
        return self

    def read(self, block_ms: int = 0) -> list[Seen]:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        if self.away:
            raise BusUnavailable("away")
        found, self.found = self.found, []
        return found

    drain = read


def entry(envelope: Envelope, number: int = 0, key: str = CONTROL.key) -> Seen:
    return Seen(envelope, key, f"{START_MS + number}-0")


def said(message: Message, because: Envelope | str, number: int = 1) -> Seen:
    cause = because if isinstance(because, str) else because.id
    envelope = Envelope.wrap(message, source="risk", now_ns=NOW_NS, causation_id=cause)
    return entry(envelope, number, STOPS.key)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_answer_counts_wherever_it_is_read(order: tuple[int, ...]) -> None:
    other = DISARMED.model_copy(update={"by": "lee"})

    def found(request: Envelope) -> list[Seen]:
        entries = [entry(request), said(DISARMED, request), said(other, "lee")]
        return [entries[at] for at in order]

    link: Any = Redis(found)
    outcome = ask(link, LIFT, wait_s=0.0)
    assert outcome.fate is Fate.DONE and outcome.answers == (DISARMED,)


@pytest.mark.parametrize(
    ("request_", "others"),
    [
        (LIFT, DISARMED),
        (LimitChangeRequested(name="max_open_pairs", value="3", by="kim", reason="t"),
         LimitChangeRefused(name="max_open_pairs", value="3", by="kim", problem="t")),
        (ReferenceReloadRequested(by="kim", reason="t"), REFUSED),
        (FlattenRequested(by="kim", reason="t"), REFUSED),
    ],
)  # fmt: skip
def test_what_somebody_else_caused_is_no_answer(request_: Message, others: Message) -> None:
    """It has the same name, value and person in it."""
    link: Any = Redis(lambda request: [entry(request), said(others, "another")], step_ns=LIFE_NS)
    outcome = ask(link, request_, wait_s=0.0)
    assert outcome.answers == () and outcome.fate is not Fate.DONE


def test_what_expired_unanswered_was_not_done_and_never_will_be() -> None:
    link: Any = Redis(lambda request: [entry(request)], step_ns=LIFE_NS // 3)
    outcome = ask(link, LIFT, wait_s=0.0)
    assert (outcome.fate, outcome.expired) == (Fate.REFUSED, True)
    assert outcome.lines()[0].startswith("not done") and outcome.as_json()["outcome"] == "refused"


def test_an_answer_that_was_written_before_the_end_counts_after_it() -> None:
    link: Any = Redis(lambda request: [entry(request)], step_ns=2 * LIFE_NS)
    whole = link.drain

    def late() -> list[Seen]:
        return [*whole(), said(DISARMED, link.written[0])]

    link.drain = late
    assert ask(link, LIFT, wait_s=0.0).fate is Fate.DONE


def test_a_request_whose_fate_nobody_can_see_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    link: Any = Redis(lambda request: [entry(request)])
    link.away = True
    clock = iter(range(1_000))
    monkeypatch.setattr("services.cli.requests.time", SimpleNamespace(
        monotonic=lambda: float(next(clock)), sleep=lambda s: None
    ))  # fmt: skip
    outcome = ask(link, LIFT, wait_s=0.0)
    assert outcome.fate is Fate.UNKNOWN
    (line,) = outcome.lines()
    assert line.startswith("unknown") and "may be obeyed until" in line and "not done" not in line


def test_a_claim_that_nobody_read_is_unknown_not_undone() -> None:
    claim = ResidualClaimed(pair_id="P1", qty_shares=1, amount_krw=1, by="kim", reason="t")
    link: Any = Redis(lambda request: [entry(request)])
    outcome = ask(link, claim, wait_s=0.0)
    assert outcome.fate is Fate.UNKNOWN and outcome.lines()[0].startswith("unknown")


def interrupted(link: Any, message: Message = LIFT) -> str:
    link.interrupts = 1
    with pytest.raises(Interrupted) as error:
        ask(link, message, wait_s=0.0)
    assert error.value.code == EXIT_INTERRUPTED
    return error.value.what


def test_ctrl_c_withdraws_what_allows_more_and_says_so() -> None:
    def found(envelope: Envelope) -> list[Seen]:
        if not isinstance(envelope.body, RequestWithdrawn):
            return [entry(envelope)]
        words = {"request": envelope.body.request, "request_id": envelope.body.request_id}
        return [said(WithdrawalTaken(by="kim", decided=False, **words), envelope)]

    link: Any = Redis(found)
    assert interrupted(link).startswith("withdrawn")
    request, back = link.written
    assert back.body == RequestWithdrawn(request="HaltLiftRequested", request_id=request.id, by="kim")


def test_what_was_withdrawn_is_not_called_too_late_where_its_owner_refuses_it_as_well() -> None:
    def found(envelope: Envelope) -> list[Seen]:
        if not isinstance(envelope.body, RequestWithdrawn):
            return [entry(envelope)]
        words = {"request": envelope.body.request, "request_id": envelope.body.request_id}
        taken = said(WithdrawalTaken(by="kim", decided=False, **words), envelope)
        return [taken, said(REFUSED, link.written[0], 2)]

    link: Any = Redis(found)
    assert interrupted(link).startswith("withdrawn: nothing was done")


def test_ctrl_c_while_risk_is_asked_whether_arming_would_work_says_that_nothing_was_armed() -> None:
    link: Any = Redis(lambda envelope: [entry(envelope)])
    assert "nothing was armed" in interrupted(link, ArmingCheckRequested(by="kim"))
    assert len(link.written) == 1


def test_ctrl_c_after_the_decision_says_what_was_done() -> None:
    def found(envelope: Envelope) -> list[Seen]:
        late = isinstance(envelope.body, RequestWithdrawn)
        return [said(DISARMED, link.written[0])] if late else [entry(envelope)]

    link: Any = Redis(found)
    assert interrupted(link).startswith("too late; trading is disarmed")


def test_ctrl_c_while_the_owner_hangs_waits_for_the_end() -> None:
    link: Any = Redis(lambda envelope: [entry(envelope)], step_ns=LIFE_NS // 3)
    assert interrupted(link).startswith("not done")


def test_ctrl_c_ends_no_claim() -> None:
    claim = ResidualClaimed(pair_id="P1", qty_shares=1, amount_krw=1, by="kim", reason="t")
    link: Any = Redis(lambda request: [entry(request)])
    assert "the request stands" in interrupted(link, claim) and len(link.written) == 1


def test_a_position_beyond_the_end_of_its_stream_took_nothing_in() -> None:
    """Redis came back empty, and the executor still stores how far it had read before."""
    client = fakeredis.FakeRedis()
    link = Link("", RedisBus(client), client)
    client.hset(state_key("executor"), "positions", json.dumps({CONTROL.key: "9999999999999-0"}))
    claim = ResidualClaimed(pair_id="P1", qty_shares=1, amount_krw=1, by="kim", reason="t")
    assert ask(link, claim, wait_s=0.0).taken_by == ()


def test_a_limit_that_only_tightens_is_never_called_expired() -> None:
    tighter = LimitChangeRequested(name="max_open_pairs", value="1", by="kim", reason="t")
    link: Any = Redis(lambda request: [entry(request)], step_ns=2 * LIFE_NS)
    outcome = ask(link, tighter, wait_s=0.0, lasting=True)
    assert outcome.fate is Fate.UNKNOWN and link.written[0].life_ms == 0
    assert "obeyed once it is read" in outcome.lines()[0]
