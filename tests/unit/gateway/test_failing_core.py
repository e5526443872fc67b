"""A command at which the core fails is answered all the same, and bars neither its pair nor any other."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import (
    CommandDenied,
    OrderResolved,
    OrderSent,
    OrderUnknown,
    Resolution,
)
from services.contracts.reasons import GateReason
from services.contracts.streams import COMMANDS, key_of
from services.contracts.terms import OrderKind, Symbol
from services.gateway import order_desk, truth
from services.gateway.effects import Query, Send
from services.gateway.facts import Fact, QueryReturned, SendReturned
from services.gateway.halt_file import HaltFile
from services.gateway.outbox import Batch, Outbox
from services.gateway.redis_reader import Read, read_entry
from services.gateway.shell import Identity, Shell
from services.runtime.burials import SAMPLES
from services.runtime.bus import Entry

from .desk import Desk, FakeBroker, S, exit_order, order
from .test_reopened import bought

KEY = key_of(COMMANDS, "main")
OTHER = Symbol("000660")


@dataclass
class Clock:
    now: int
    offset_us: int = 0
    jumps: int = 0
    reading: Any = None

    def now_ns(self) -> int:
        return self.now

    mono_ns = now_ns

    def refresh(self) -> None:
        """Time goes on by hand."""

    def mono_of(self, time_ns: int) -> int:
        return time_ns


@dataclass
class Live:
    """A shell on a desk's state: entries go in as they are read, what it writes comes out."""

    shell: Shell
    clock: Clock
    outbox: Outbox
    broker: FakeBroker
    inbox: "SimpleQueue[Read]"
    facts: deque[Fact]
    sends: list[Send] = field(default_factory=list)
    said: list[Message] = field(default_factory=list)

    def hear(self, message: Message, entry_id: str) -> None:
        envelope = Envelope.wrap(message, source="executor", now_ns=self.clock.now, causation_id=entry_id)
        self.inbox.put(Read(Entry(KEY, entry_id, b"{}"), envelope))
        self.run(0.1)

    def run(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds * 10))):
            self.clock.now += S // 10
            self.shell.turn()
        for batch in self.outbox.take(0):
            self.said += [write.envelope.body for write in batch.writes]

    def told(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.said if isinstance(message, kind)]

    def denied(self) -> list[tuple[str, GateReason]]:
        return [(m.order_id, m.reason) for m in self.told(CommandDenied)]

    def query(self, query: Query) -> Fact:
        self.facts.append(self.broker.reply(query))
        return QueryReturned(query.rqname, 0)

    def send(self, effect: Send) -> Fact:
        self.sends.append(effect)
        return SendReturned(effect.order_id, 0)


@pytest.fixture
def live(desk: Desk) -> Live:
    """A pair P1 holds ten shares."""
    bought(desk)
    clock, outbox, inbox, facts = Clock(desk.now_ns), Outbox(), SimpleQueue(), deque()  # type: ignore[var-annotated]
    anything: Any = SimpleNamespace
    made = Live(anything(), clock, outbox, desk.broker, inbox, facts)
    calls = anything(
        query=made.query, drop_screen=lambda screen: None, unregister=lambda screen: None,
        register=lambda effect: None, read_master=lambda symbols: None,
    )  # fmt: skip
    made.shell = Shell(
        desk.state, {KEY: "0-0"}, Identity("g", 1, "b", desk.now_ns),
        reader=anything(inbox=inbox, stops=SimpleQueue(), failed=False, unreadable=""),
        writer=anything(fenced=False, failed=False, unwritable="", published=0, forgotten=Event()),
        outbox=outbox,
        clock=clock, log=anything(append=lambda *_, **__: None, keep=lambda _: "", lost=""), calls=calls,
        port=anything(send=made.send), end=lambda code: None, halt=HaltFile,
    )  # type: ignore[arg-type]  # fmt: skip
    made.shell.slots = anything(facts=facts)
    made.shell._beat_ns = desk.now_ns + 3600 * S
    made.broker.holdings = {"005930": 10}
    return made


def failing_at(order_id: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which fails at whatever names that order."""

    def fails(*args: Any, **more: Any) -> Any:
        if any(order_id in repr(arg) for arg in args[1:]):
            raise ZeroDivisionError("a defect")
        return call(*args, **more)

    return fails


def sell(live: Live, number: int, **changes: Any) -> Message:
    return exit_order(live.clock.now, order_id=f"P1.1.s.{number}", kind=OrderKind.LIMIT, **changes)


class TestBeforeItIsLogged:
    @pytest.mark.parametrize("where", ["command", "check"])
    def test_it_is_refused_and_its_pair_sells_on(
        self, live: Live, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        monkeypatch.setattr(order_desk, where, failing_at("P1.1.s.1", getattr(order_desk, where)))
        live.hear(sell(live, 1), "1-0")
        assert live.denied() == [("P1.1.s.1", GateReason.CORE_FAILED)]
        assert "ZeroDivisionError: a defect" in live.told(CommandDenied)[0].detail
        failed = [m for m in live.told(AlertRaised) if m.code == AlertCode.GATEWAY_FAILED]
        assert [m.facts["what"] for m in failed] == ["PlaceOrder P1.1.s.1"]
        live.hear(sell(live, 2), "2-0")
        assert [send.order_id for send in live.sends] == ["P1.1.s.2"]

    def test_the_same_id_is_never_sent_afterwards(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(order_desk, "check", failing_at("P1.1.s.1", order_desk.check))
            live.hear(sell(live, 1), "1-0")
        live.hear(sell(live, 1), "2-0")
        assert live.denied() == [("P1.1.s.1", GateReason.CORE_FAILED)] * 2
        assert not live.sends

    def test_one_that_waits_holds_up_nothing_behind_it(
        self, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live.shell.state = live.shell.state.but(order_history=(live.clock.now + S // 10,) * 5)
        live.hear(sell(live, 1), "1-0")
        live.hear(sell(live, 2, qty_shares=3), "2-0")
        assert not live.sends
        monkeypatch.setattr(order_desk, "check", failing_at("P1.1.s.1", order_desk.check))
        live.run(2)
        assert live.denied() == [("P1.1.s.1", GateReason.CORE_FAILED)]
        assert [send.order_id for send in live.sends] == ["P1.1.s.2"]

    def test_a_cancel_is_refused_and_its_order_works_on(
        self, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live.hear(sell(live, 1), "1-0")
        monkeypatch.setattr(order_desk, "_pump_change", failing_at("c1", order_desk._pump_change))
        cancel = CancelOrder(order_id="c1", pair_id="P1", target_order_id="P1.1.s.1", reason="t")
        live.hear(cancel, "2-0")
        (denial,) = live.told(CommandDenied)
        assert (denial.order_id, denial.target_order_id) == ("c1", "P1.1.s.1")
        assert "P1.1.s.1" in live.shell.state.orders.working

    def test_the_entry_is_buried_once_and_what_follows_is_heard(
        self, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(order_desk, "command", failing_at("P1.1.s.1", order_desk.command))
        monkeypatch.setattr(order_desk, "unjudged", failing_at("P1.1.s.1", order_desk.unjudged))
        live.hear(sell(live, 1), "1-0")
        live.hear(order(live.clock.now, order_id="P2.1.b.1", pair_id="P2", symbol=OTHER), "2-0")
        assert [m.entry_id for m in live.told(EntryBuried)] == ["1-0"]
        assert "P2.1.b.1" in {m.order_id for m in live.told(CommandDenied)} | {s.order_id for s in live.sends}


class TestOnceItIsLogged:
    def test_one_whose_call_came_back_unheard_is_unknown_and_resolved(
        self, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(order_desk, "returned", failing_at("P1.1.s.1", order_desk.returned))
            live.hear(sell(live, 1), "1-0")
        assert len(live.sends) == 1
        assert not live.told(CommandDenied)
        assert not live.told(OrderSent)
        live.run(12)
        assert [m.facts.order_id for m in live.told(OrderUnknown)] == ["P1.1.s.1"]
        assert [m.resolution for m in live.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
        live.hear(sell(live, 2), "2-0")
        assert [send.order_id for send in live.sends] == ["P1.1.s.1", "P1.1.s.2"]

    def test_its_command_given_again_is_no_refusal(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        live.hear(sell(live, 1), "1-0")
        with monkeypatch.context() as patch:
            patch.setattr(truth, "retell", failing_at("P1.1.s.1", truth.retell))
            live.hear(sell(live, 1), "2-0")
        assert not live.told(CommandDenied)
        assert [m.facts.order_id for m in live.told(OrderUnknown)] == ["P1.1.s.1"]
        assert len(live.sends) == 1


def test_junk_on_the_commands_is_told_in_one_alert_and_what_follows_is_heard(live: Live) -> None:
    for number in range(1, 401):
        live.inbox.put(read_entry(Entry(KEY, f"{number}-0", b"junk" * 2_000)))
    live.hear(sell(live, 1), "500-0")
    assert [send.order_id for send in live.sends] == ["P1.1.s.1"]
    (alert,) = [told for told in live.told(AlertRaised) if told.code == AlertCode.DEAD_LETTER]
    assert (alert.alert_id, alert.facts["count"]) == ("dead-gateway-commands-main", 400)
    buried = live.told(EntryBuried)
    assert len(buried) == SAMPLES and {(len(m.text), m.whole_bytes) for m in buried} == {(4_096, 8_000)}


def test_messages_of_another_build_are_buried_each_however_many(live: Live) -> None:
    text = sell_text(live).replace('"version":1', '"version":9').encode()
    for number in range(1, 151):
        live.inbox.put(read_entry(Entry(KEY, f"{number}-0", text)))
    live.run(0.1)
    assert len(live.told(EntryBuried)) == 150, "each can be put back once a build reads it"


def test_entries_given_up_go_out_together_and_before_what_follows_them(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[Batch] = []
    monkeypatch.setattr(live.outbox, "put", batches.append)
    text = sell_text(live).replace('"version":1', '"version":9').encode()
    for number in range(1, 151):
        live.inbox.put(read_entry(Entry(KEY, f"{number}-0", text)))
    live.hear(sell(live, 1), "200-0")
    for number in range(201, 351):
        live.inbox.put(read_entry(Entry(KEY, f"{number}-0", text)))
    live.run(0.1)
    assert len(batches) < 20
    written = [(batch, write.envelope.body) for batch in batches for write in batch.writes]
    given_up = [(batch, body) for batch, body in written if isinstance(body, EntryBuried)]
    assert [body.entry_id for _, body in given_up] == [f"{n}-0" for n in (*range(1, 151), *range(201, 351))]
    assert all(
        Entry(KEY, body.entry_id, b"").order <= Entry(KEY, batch.positions[KEY], b"").order
        for batch, body in given_up
    )
    first_past = next(at for at, batch in enumerate(batches) if batch.positions[KEY] != "0-0")
    assert (
        sum(
            isinstance(write.envelope.body, EntryBuried)
            for batch in batches[: first_past + 1]
            for write in batch.writes
        )
        == 150
    )


def sell_text(live: Live) -> str:
    envelope = Envelope.wrap(sell(live, 1), source="executor", now_ns=live.clock.now, causation_id="c")
    return envelope.encode()
