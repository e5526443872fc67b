"""What holds whatever happens to the gateway: any order of crashes, hangs, windows, files and hours."""

from dataclasses import replace

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.contracts.limits import NS_PER_S
from services.gateway.halt_file import LaidBy
from services.gateway.pulse import Vitals
from services.gateway.supervisor.effects import AskToStop, Effect, Kill, LiftHalt, Start
from services.gateway.supervisor.state import Phase, SupervisorState

from .machine import NOTICE, READY, STRANGE, Machine, settings

VIRTUAL = hypothesis_settings(deadline=None, max_examples=40)
HAPPENINGS = st.sampled_from(
    ["crash", "refused", "cut", "hang", "beat", "lose", "ready", "leak", "freeze", "window", "notice",
     "answer", "person halts", "person lifts", "somebody removes it", "rest", "work", "disk full",
     "disk free", "stubborn", "sleep", "wait", "wait long"]
)  # fmt: skip


def happen(machine: Machine, what: str) -> None:
    codes = {"crash": -11, "refused": 5, "cut": 11}
    if what in codes and machine.pid:
        machine.end(codes[what])
    elif what in ("lose", "ready", "freeze") and machine.pid:
        stale = replace(READY, quiet_ms={"book:KRX": 3_600_000})
        machine.vitals = {"lose": Vitals("disconnected"), "ready": READY, "freeze": stale}[what]
    elif what == "somebody removes it" and machine.halt is LaidBy.SUPERVISOR:
        machine.halt = LaidBy.NOBODY
    elif what == "leak" and machine.pid:
        machine.memory_mb = 5_000
    changes = {
        "hang": ("beating", False), "beat": ("beating", True), "window": ("windows", (STRANGE,)),
        "notice": ("windows", (NOTICE,)), "answer": ("windows", ()), "rest": ("resting", True),
        "work": ("resting", False), "disk full": ("disk_full", True), "disk free": ("disk_full", False),
        "stubborn": ("stubborn", True), "person halts": ("halt", LaidBy.PERSON),
    }  # fmt: skip
    if what in changes:
        name, value = changes[what]
        setattr(machine, name, value)
    if what == "person lifts" and machine.halt is LaidBy.PERSON:
        machine.halt = LaidBy.NOBODY
    machine.run({"wait": 15, "wait long": 120}.get(what, 1), every=0.5)
    if what == "sleep":
        machine.look(900)


class Watched(Machine):
    """Holds what is asked for against what lay on the disk when it was asked."""

    full_ns = 0

    def look(self, seconds: float = 0.25) -> tuple[Effect, ...]:
        halt = self.halt
        if self.disk_full:
            self.full_ns = self.now_ns
        could_not = self.now_ns - self.full_ns < 2 * NS_PER_S
        effects = super().look(seconds)
        for effect in effects:
            if isinstance(effect, Start):
                assert halt is not LaidBy.NOBODY, "started without a HALT file"
            if isinstance(effect, Kill | AskToStop):
                assert halt is not LaidBy.NOBODY or could_not, "stopped before trading was"
            if isinstance(effect, LiftHalt):
                ending = halt is LaidBy.PERSON and self.state.phase is Phase.DONE
                assert halt is LaidBy.SUPERVISOR or ending, "ours may lie beneath a person's at the end"
                assert self.state.phase is Phase.DONE or self.state.ready
        return effects


@VIRTUAL
@given(st.lists(HAPPENINGS, max_size=25))
def test_trading_is_stopped_before_anything_is_started_or_stopped(happenings: list[str]) -> None:
    machine = Watched(SupervisorState(settings(most_ends=4, backoff_s=(1, 5))))
    for what in happenings:
        persons = machine.halt is LaidBy.PERSON
        happen(machine, what)
        if persons and what not in ("person lifts",):
            assert machine.halt is LaidBy.PERSON, "a person's HALT file was touched"


@VIRTUAL
@given(st.lists(HAPPENINGS, max_size=25))
def test_when_all_is_well_again_it_runs_or_was_given_up_loudly(happenings: list[str]) -> None:
    machine = Watched(SupervisorState(settings(most_ends=4, backoff_s=(1, 5))))
    for what in happenings:
        happen(machine, what)
    for what in ("answer", "work", "disk free", "beat", "ready", "person lifts"):
        happen(machine, what)
    machine.run(600, every=0.5)
    if machine.state.phase is Phase.GAVE_UP:
        assert machine.halt is LaidBy.SUPERVISOR and "gateway-given-up" in machine.state.told
    else:
        assert machine.state.phase is Phase.RUNNING and machine.state.ready
        assert machine.halt is LaidBy.NOBODY


@VIRTUAL
@given(st.lists(HAPPENINGS, max_size=20))
def test_told_to_stop_it_always_ends(happenings: list[str]) -> None:
    machine = Watched()
    for what in happenings:
        happen(machine, what)
    machine.told_to_stop = True
    machine.run(120, every=0.5)
    assert machine.done and not machine.pid
