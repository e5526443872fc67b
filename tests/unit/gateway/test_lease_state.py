"""The lease says what risk goes by: an entry goes by whatever stream was read first, and fits all of it."""

from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope
from services.contracts.limits import LEASE_CANCEL_AFTER_MS, LEASE_DOUBT_MS, LEASE_MS, NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.contracts.streams import LEASE
from services.contracts.terms import OrderKind, TradingState, Venue
from services.gateway.facts import LeaseSeen
from services.gateway.halt_file import HaltFile
from services.gateway.lease import Lease
from services.gateway.outbox import Outbox
from services.gateway.redis_reader import Read
from services.gateway.shell import Identity, Shell
from services.risk.core import decide
from services.runtime.bus import Entry
from tests.unit.detector import world
from tests.unit.risk import desk as risk_desk

from .desk import Desk, S, chejan, exit_order, fresh, order, ready, reference, restarted

STOPPED = [state for state in TradingState if not state.allows_entries]


def renewed(desk: Desk, state: TradingState = TradingState.ARMED, *, of: str = "", epoch: int = 1) -> None:
    desk.feed(LeaseSeen(desk.now_ns + 2 * S, of or desk.state.reference_hash, state, epoch))


def misfits(desk: Desk) -> list[bool]:
    """Each time that a misfit was told, and whether that said that it is over."""
    return [m.resolved for m in desk.told(AlertRaised) if m.code == AlertCode.LEASE_MISFIT]


@pytest.mark.parametrize("state", STOPPED)
def test_no_entry_leaves_while_the_lease_names_a_state_that_allows_none(
    desk: Desk, state: TradingState
) -> None:
    renewed(desk, state)
    desk.hear(order(desk.now_ns))
    assert desk.sends == [] and desk.told(CommandDenied)[-1].reason is GateReason.LEASE
    renewed(desk, TradingState.ARMED)
    desk.hear(order(desk.now_ns, order_id="P1.2.b.1"))
    assert [send.order_id for send in desk.sends] == ["P1.2.b.1"]


def test_a_working_entry_is_taken_back_where_the_lease_alone_says_that_the_desk_stops() -> None:
    for state, cancels in ((TradingState.REDUCE_ONLY, 1), (TradingState.PAUSE_ENTRY, 0)):
        desk = ready(fresh())
        desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT, venue=Venue.NXT))
        desk.answer(desk.sends[0], "0000010")
        for _ in range(10):
            renewed(desk, state)
            desk.tick()
        assert [send.args[8] for send in desk.sends[1:]] == ["0000010"] * cancels


def test_no_entry_leaves_while_risk_goes_by_another_reference_and_that_is_told(desk: Desk) -> None:
    for _ in range(60):
        renewed(desk, of="another")
        desk.tick()
    desk.hear(order(desk.now_ns))
    denied = desk.told(CommandDenied)[-1]
    assert desk.sends == [] and denied.reason is GateReason.LEASE
    assert "another" in denied.detail and desk.state.reference_hash in denied.detail
    assert misfits(desk) == [False]
    renewed(desk)
    desk.tick()
    desk.hear(order(desk.now_ns, order_id="P1.2.b.1"))
    assert [send.order_id for send in desk.sends] == ["P1.2.b.1"]
    assert misfits(desk) == [False, True]


def test_a_reference_that_is_published_now_is_no_news(desk: Desk) -> None:
    renewed(desk, of="newer")
    desk.run(1, lease=False)
    assert misfits(desk) == []


def test_a_restart_holds_the_lease_against_the_reference_it_stored() -> None:
    desk = ready(restarted(ready(fresh())))
    assert desk.state.reference_hash == reference().hash


def test_a_risk_that_was_replaced_renews_nothing_and_that_is_told(desk: Desk) -> None:
    renewed(desk, epoch=7)
    for _ in range(80):
        renewed(desk, epoch=6)
        desk.tick()
    desk.hear(order(desk.now_ns))
    denied = desk.told(CommandDenied)[-1]
    assert desk.sends == [] and denied.reason is GateReason.LEASE
    assert "epoch 6" in denied.detail and "7" in denied.detail
    assert misfits(desk) == [False]
    renewed(desk, epoch=8)
    desk.tick()
    assert misfits(desk) == [False, True]


def test_an_epoch_that_no_risk_holds_bars_only_for_a_while(desk: Desk) -> None:
    renewed(desk, epoch=5)
    renewed(desk, epoch=9_007_199_254_740_000)
    sent_after_ms = 0
    for tenths in range(LEASE_DOUBT_MS // 100 + 20):
        renewed(desk, epoch=6)
        desk.tick()
        desk.hear(order(desk.now_ns, order_id=f"P1.{tenths + 1}.b.1"))
        if desk.sends:
            sent_after_ms = 100 * tenths
            break
    assert LEASE_DOUBT_MS <= sent_after_ms < LEASE_DOUBT_MS + 1_000
    assert {denied.reason for denied in desk.told(CommandDenied)} == {GateReason.LEASE}
    desk.tick()
    assert misfits(desk) == [False, True]


def test_a_newer_epoch_that_still_renews_is_never_outlived(desk: Desk) -> None:
    for second in range(3 * LEASE_DOUBT_MS // 1_000):
        if second % 8 == 0:
            renewed(desk, epoch=7)
            desk.run(LEASE_MS / 1_000, lease=False)
        renewed(desk, epoch=6)
        desk.tick(1)
    desk.run(LEASE_MS / 1_000, lease=False)
    renewed(desk, epoch=6)
    desk.hear(order(desk.now_ns))
    assert desk.sends == []


def test_a_risk_that_was_replaced_can_only_stop(desk: Desk) -> None:
    renewed(desk, epoch=7)
    renewed(desk, TradingState.HALTED, epoch=6)
    renewed(desk, TradingState.ARMED, epoch=6)
    desk.hear(order(desk.now_ns))
    assert desk.sends == [] and "halted" in desk.told(CommandDenied)[-1].detail
    renewed(desk, epoch=7)
    desk.hear(order(desk.now_ns, order_id="P1.2.b.1"))
    assert [send.order_id for send in desk.sends] == ["P1.2.b.1"]


def test_epochs_count_anew_where_redis_lost_data(desk: Desk) -> None:
    renewed(desk, epoch=7)
    desk.feed_forgotten()
    desk.run(3, lease=False)
    renewed(desk, epoch=1)
    desk.hear(order(desk.now_ns))
    assert [send.order_id for send in desk.sends] == ["P1.1.b.1"]


def test_what_sells_needs_no_word_of_the_lease(desk: Desk) -> None:
    desk.hear(order(desk.now_ns))
    desk.answer(desk.sends[-1], "101")
    desk.frame(**filled(desk))
    renewed(desk, TradingState.REDUCE_ONLY)
    desk.hear(exit_order(desk.now_ns))
    assert len(desk.sends) == 2


def filled(desk: Desk) -> dict[str, str]:
    return chejan(desk.sends[-1], "101", "체결", remaining=0, cum=10, amount=1_995_000)


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCE_ONLY, TradingState.ARMED])
def test_risk_renews_the_lease_in_the_step_that_changes_the_state(state: TradingState) -> None:
    desk = risk_desk.armed() if state is not TradingState.ARMED else risk_desk.ready()
    (request,) = world.events([risk_desk.shown(risk_desk.ask(state), desk.state)], world.ms(risk_desk.NOW))
    said = [out.message for out in decide(desk.state, request).out]
    assert [m.state for m in said if isinstance(m, LeaseRenewed)] == [state]


# -- how long it is good ---------------------------------------------------------------------------


@dataclass
class Clock:
    """Monotonic time is Redis time less `BEHIND_NS`; None where it cannot be measured."""

    now: int
    measured: bool = True
    offset_us = jumps = 0
    reading: Any = None

    def now_ns(self) -> int:
        return self.now

    def mono_ns(self) -> int:
        return self.now - BEHIND_NS

    def refresh(self) -> None:
        """Time goes on by hand."""

    def mono_of(self, redis_ns: int) -> int:
        return redis_ns - BEHIND_NS if self.measured else 0


BEHIND_NS = 7 * S


def read_lease(desk: Desk, clock: Clock, renewed_ns: int) -> Lease:
    """The lease of a gateway that reads now what Redis took at `renewed_ns`."""
    anything: Any = SimpleNamespace
    inbox = SimpleQueue[Read]()
    lease = LeaseRenewed(state=TradingState.ARMED, risk_epoch=1, reference_hash="hash")
    envelope = Envelope.wrap(lease, source="risk", now_ns=clock.now, causation_id="l")
    inbox.put(Read(Entry(LEASE.key, f"{renewed_ns // NS_PER_MS}-3", b""), envelope))
    shell = Shell(
        desk.state.but(lease=Lease()), {}, Identity("g", 1, "b", clock.now),
        reader=anything(inbox=inbox, stops=SimpleQueue(), failed=False, unreadable=""),
        writer=anything(fenced=False, failed=False, unwritable="", published=0, forgotten=Event()),
        outbox=Outbox(), clock=anything(**{n: getattr(clock, n) for n in dir(clock) if n[0] != "_"}),
        log=anything(append=lambda *_, **__: None),
        calls=anything(register=lambda _: None, drop_screen=lambda _: None, query=lambda _: None),
        port=None, end=lambda code: None, halt=HaltFile,
    )  # fmt: skip
    shell.turn()
    return shell.state.lease


@pytest.mark.parametrize("read_late_ms", [0, 25, LEASE_MS - 1, LEASE_MS + 500])
def test_it_is_good_from_the_id_of_its_renewal_however_late_that_is_read(
    desk: Desk, read_late_ms: int
) -> None:
    renewed_ns = desk.now_ns // NS_PER_MS * NS_PER_MS
    clock = Clock(renewed_ns + read_late_ms * NS_PER_MS)
    lease = read_lease(desk, clock, renewed_ns)
    assert lease.expires_mono_ns == renewed_ns - BEHIND_NS + LEASE_MS * NS_PER_MS
    assert lease.held(clock.mono_ns()) is (read_late_ms < LEASE_MS)


def test_what_cannot_be_measured_is_not_held(desk: Desk) -> None:
    clock = Clock(desk.now_ns, measured=False)
    assert not read_lease(desk, clock, desk.now_ns).held(clock.mono_ns())


@pytest.mark.parametrize(("early_ms", "cancels"), [(1, 0), (0, 1)])
def test_a_resting_entry_is_taken_back_so_long_after_the_last_renewal(
    desk: Desk, early_ms: int, cancels: int
) -> None:
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT, venue=Venue.NXT))
    desk.answer(desk.sends[0], "0000010")
    renewed_ns = desk.now_ns
    desk.feed(LeaseSeen(renewed_ns + LEASE_MS * NS_PER_MS, desk.state.reference_hash, TradingState.ARMED, 1))
    desk.tick((LEASE_CANCEL_AFTER_MS - early_ms) / 1_000)
    assert len(desk.sends) - 1 == cancels
