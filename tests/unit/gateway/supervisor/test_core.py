"""What the supervisor does about each trouble, in virtual time."""

from dataclasses import replace

import pytest

from services.contracts.limits import NS_PER_S
from services.contracts.terms import Severity
from services.gateway.halt_file import LaidBy
from services.gateway.pulse import WAITING_FOR_REDIS, Vitals
from services.gateway.supervisor.core import AWAY, DOWN, GIVEN_UP, MEMORY, REDIS, UNHALTED
from services.gateway.supervisor.effects import AskToStop, Close, Kill, LayHalt, LiftHalt, Start
from services.gateway.supervisor.looks import Window
from services.gateway.supervisor.state import Phase, SupervisorState

from .machine import NOTICE, READY, STRANGE, Machine, settings

CONNECTING = Vitals("connecting")


class TestStart:
    def test_it_starts_under_a_halt_file_that_goes_when_the_gateway_is_ready(self) -> None:
        machine = Machine(starts_with=CONNECTING)
        machine.run(20)
        assert machine.state.phase is Phase.RUNNING
        assert machine.halt is LaidBy.SUPERVISOR
        machine.vitals = READY
        machine.run(1)
        assert machine.halt is LaidBy.NOBODY
        assert machine.told() == []

    def test_a_persons_halt_file_stays(self) -> None:
        machine = Machine(halt=LaidBy.PERSON)
        machine.run(60)
        assert machine.state.ready and machine.halt is LaidBy.PERSON
        assert not any(isinstance(effect, LayHalt | LiftHalt) for effect in machine.effects)

    def test_without_a_halt_file_nothing_is_started(self) -> None:
        machine = Machine(disk_full=True)
        machine.run(60)
        assert machine.starts == [] and machine.told(Severity.CRITICAL) == [UNHALTED]
        machine.disk_full = False
        machine.run(5)
        assert len(machine.starts) == 1 and machine.over() == [UNHALTED]

    def test_a_gateway_of_an_earlier_supervisor_is_watched_on_and_not_stopped(self) -> None:
        machine = Machine(pid=77, vitals=READY)
        machine.run(30)
        assert machine.state.phase is Phase.RUNNING and machine.effects == []

    def test_the_halt_file_of_an_earlier_supervisor_is_lifted_when_all_is_well(self) -> None:
        machine = Machine(pid=77, vitals=READY, halt=LaidBy.SUPERVISOR)
        machine.run(2)
        assert machine.halt is LaidBy.NOBODY

    def test_waiting_for_redis_is_not_held_against_it(self) -> None:
        machine = Machine(starts_with=Vitals(WAITING_FOR_REDIS))
        machine.run(3_600, every=1)
        assert len(machine.starts) == 1
        assert machine.told(Severity.CRITICAL) == [AWAY]


class TestEnds:
    def test_a_crash_halts_first_then_starts_again_and_says_so_once(self) -> None:
        machine = Machine().up()
        machine.end(3221225477)
        machine.run(0.5)
        assert machine.halt is LaidBy.SUPERVISOR and len(machine.starts) == 1
        machine.run(5)
        assert len(machine.starts) == 2 and machine.halt is LaidBy.NOBODY
        assert machine.told() == [DOWN] and machine.over() == [DOWN]
        assert "c0000005" in machine.alerts[0].detail

    def test_a_crash_with_shares_held_is_critical(self) -> None:
        machine = Machine(starts_with=replace(READY, owing=1)).up()
        machine.end(-9)
        machine.run(1)
        assert machine.told(Severity.CRITICAL) == [DOWN]

    def test_waits_grow_and_after_too_many_it_is_given_up_with_trading_stopped(self) -> None:
        machine = Machine(SupervisorState(settings(backoff_s=(1, 5, 20), most_ends=3))).up()
        for _ in range(4):
            machine.end(1)
            machine.run(30)
        gaps = [round((b - a) / NS_PER_S) for a, b in zip(machine.starts, machine.starts[1:], strict=False)]
        assert len(machine.starts) == 4 and gaps == sorted(gaps)
        assert machine.state.phase is Phase.GAVE_UP and machine.halt is LaidBy.SUPERVISOR
        assert machine.told(Severity.CRITICAL)[0] == GIVEN_UP
        machine.run(3_600, every=1)
        assert len(machine.starts) == 4 and machine.halt is LaidBy.SUPERVISOR

    def test_ends_far_apart_never_add_up(self) -> None:
        machine = Machine(SupervisorState(settings(window_s=60, most_ends=2))).up()
        for _ in range(6):
            machine.end(1)
            machine.run(90, every=1)
        assert machine.state.phase is Phase.RUNNING and len(machine.starts) == 7

    @pytest.mark.parametrize("code", [2, 4, 5])
    def test_an_end_that_a_new_start_cannot_mend_is_given_up_at_once(self, code: int) -> None:
        machine = Machine().up()
        machine.end(code)
        machine.run(300, every=1)
        assert len(machine.starts) == 1 and machine.told(Severity.CRITICAL)[0] == GIVEN_UP
        assert machine.halt is LaidBy.SUPERVISOR

    def test_the_nightly_cut_wakes_nobody_and_waits_for_the_broker(self) -> None:
        machine = Machine(SupervisorState(settings(after_cut_s=300))).up()
        machine.end(11)
        machine.run(299, every=1)
        assert len(machine.starts) == 1
        machine.run(30)
        assert len(machine.starts) == 2 and machine.told() == []

    @pytest.mark.parametrize("code", [3, 10])
    def test_a_lost_connection_and_a_gateway_that_was_fenced_are_started_anew(self, code: int) -> None:
        machine = Machine().up()
        machine.end(code)
        machine.run(5)
        assert len(machine.starts) == 2 and machine.told() == [DOWN]

    def test_after_it_was_given_up_being_told_to_stop_leaves_the_halt_file(self) -> None:
        machine = Machine().up()
        machine.end(5)
        machine.run(5)
        machine.told_to_stop = True
        machine.run(1)
        assert machine.done and machine.halt is LaidBy.SUPERVISOR


class TestHang:
    def test_a_silent_qt_thread_is_halted_killed_and_started_again(self) -> None:
        machine = Machine().up()
        machine.beating = False
        machine.run(12)
        kinds = [type(effect) for effect in machine.effects]
        assert kinds.index(LayHalt, 2) < kinds.index(Kill) < kinds.index(Start, kinds.index(Kill))
        assert AskToStop not in kinds
        machine.run(5)
        assert machine.halt is LaidBy.NOBODY and machine.over() == [DOWN]

    def test_a_slow_login_is_no_hang(self) -> None:
        machine = Machine(starts_with=CONNECTING)
        machine.run(3)
        machine.beating = False
        machine.run(40)
        assert len(machine.starts) == 1 and Kill() not in machine.effects

    def test_one_that_never_beats_is_killed(self) -> None:
        machine = Machine(SupervisorState(settings(first_pulse_s=30)), starts_with=None)
        machine.run(29)
        assert Kill() not in machine.effects
        machine.run(10)
        assert Kill() in machine.effects

    def test_a_machine_that_slept_judges_nobody(self) -> None:
        machine = Machine().up()
        machine.beating = False
        machine.look(3_600)
        machine.look(1)
        machine.beating = True
        machine.run(30)
        assert len(machine.starts) == 1 and machine.told() == []


class TestHealth:
    def test_a_frozen_feed_of_one_venue_is_started_anew(self) -> None:
        machine = Machine(starts_with=replace(READY, working=2)).up()
        machine.vitals = replace(READY, quiet_ms={"book:KRX": 20, "book:NXT": 31_000})
        machine.run(29)
        assert AskToStop() not in machine.effects, "counted from when the venue was first seen to trade"
        machine.run(5)
        assert AskToStop() in machine.effects
        assert machine.told() == [DOWN] and "book of NXT" in machine.alerts[0].detail

    def test_a_type_has_its_own_patience(self) -> None:
        machine = Machine(SupervisorState(settings(stale_s={"book": 30, "trade": 0}))).up()
        machine.vitals = replace(READY, quiet_ms={"book:KRX": 20, "trade:KRX": -1})
        machine.run(3_600, every=1)
        assert len(machine.starts) == 1

    def test_a_venue_that_opens_after_a_pause_is_not_stale(self) -> None:
        machine = Machine().up()
        machine.run(600, every=1)
        machine.vitals = replace(READY, quiet_ms={"book:KRX": 600_000})
        machine.run(5)
        machine.vitals = replace(READY, quiet_ms={"book:KRX": 100})
        machine.run(60)
        assert len(machine.starts) == 1

    def test_open_orders_are_taken_back_before_it_is_asked_to_stop(self) -> None:
        machine = Machine(SupervisorState(settings(settle_s=5))).up()
        machine.vitals, machine.memory_mb = replace(READY, working=1), 5_000
        machine.run(3)
        assert machine.halt is LaidBy.SUPERVISOR and AskToStop() not in machine.effects
        machine.vitals = READY
        machine.look()
        assert AskToStop() in machine.effects

    def test_orders_that_do_not_go_do_not_hold_it_for_ever(self) -> None:
        machine = Machine(SupervisorState(settings(settle_s=5))).up()
        machine.vitals, machine.memory_mb = replace(READY, working=1), 5_000
        machine.run(7)
        assert AskToStop() in machine.effects

    def test_one_that_does_not_obey_is_killed(self) -> None:
        machine = Machine(SupervisorState(settings(stop_s=10)), stubborn=True).up()
        machine.memory_mb = 5_000
        machine.run(9)
        assert Kill() not in machine.effects
        machine.run(5)
        assert Kill() in machine.effects

    def test_much_memory_waits_for_a_quiet_moment_too_much_does_not(self) -> None:
        machine = Machine(starts_with=replace(READY, owing=1)).up()
        machine.memory_mb = 1_000
        machine.run(120)
        assert len(machine.starts) == 1 and machine.told() == [MEMORY]
        machine.vitals = READY
        machine.run(5)
        assert len(machine.starts) == 2 and machine.over() == [MEMORY] and DOWN not in machine.told()

    def test_one_that_is_never_ready_is_started_anew_and_a_person_is_told(self) -> None:
        machine = Machine(SupervisorState(settings(ready_s=300, away_s=180)), starts_with=CONNECTING)
        machine.run(200, every=1)
        assert machine.told(Severity.CRITICAL) == [AWAY]
        machine.run(200, every=1)
        assert len(machine.starts) == 2


class TestWindows:
    def test_a_known_window_is_closed_and_reported_once_a_day(self) -> None:
        machine = Machine().up()
        for _ in range(3):
            machine.windows = (NOTICE,)
            machine.run(3)
        assert machine.windows == () and machine.halt is LaidBy.NOBODY
        assert len(machine.told()) == 1 and machine.told(Severity.INFO) == machine.told()

    def test_an_unknown_window_stops_trading_until_it_is_gone(self) -> None:
        machine = Machine().up()
        machine.windows = (STRANGE,)
        machine.run(30)
        assert machine.halt is LaidBy.SUPERVISOR and Close(STRANGE) not in machine.effects
        assert len(machine.told(Severity.CRITICAL)) == 1
        machine.windows = ()
        machine.run(1)
        assert machine.halt is LaidBy.NOBODY and len(machine.over()) == 1

    def test_one_that_cannot_be_closed_waits_for_a_person(self) -> None:
        machine = Machine(closes=False).up()
        machine.windows = (NOTICE,)
        machine.run(30)
        assert machine.effects.count(Close(NOTICE)) == 4
        assert machine.halt is LaidBy.SUPERVISOR and len(machine.told(Severity.CRITICAL)) == 1

    def test_a_window_of_a_normal_start_is_left_alone(self) -> None:
        machine = Machine(windows=(Window(3, "Open API Login"),), starts_with=READY).up()
        machine.run(10)
        assert machine.told() == [] and machine.halt is LaidBy.NOBODY

    def test_a_window_that_blocks_the_qt_thread_is_not_killed_under_a_persons_hands(self) -> None:
        machine = Machine().up()
        machine.windows, machine.beating = (STRANGE,), False
        machine.run(120)
        assert Kill() not in machine.effects
        machine.run(300)
        assert Kill() in machine.effects


class TestTimetable:
    def test_it_rests_quietly_and_starts_again(self) -> None:
        machine = Machine().up()
        machine.resting = True
        machine.run(30)
        assert machine.state.phase is Phase.RESTING and not machine.pid
        machine.run(3_600, every=1)
        assert len(machine.starts) == 1
        machine.resting = False
        machine.run(5)
        assert len(machine.starts) == 2 and machine.halt is LaidBy.NOBODY and machine.told() == []

    def test_a_crash_loop_ends_with_the_day(self) -> None:
        machine = Machine().up()
        machine.end(1)
        machine.resting = True
        machine.run(600)
        assert machine.state.phase is Phase.RESTING and len(machine.starts) == 1

    def test_told_to_stop_it_stops_the_gateway_and_leaves_nothing(self) -> None:
        machine = Machine().up()
        machine.told_to_stop = True
        machine.run(5)
        assert machine.done and not machine.pid and machine.halt is LaidBy.NOBODY
        kinds = [type(effect) for effect in machine.effects]
        assert kinds.index(LayHalt, 2) < kinds.index(AskToStop)


def test_a_session_that_may_end_halts_and_one_that_stays_trades_on() -> None:
    machine = Machine().up()
    machine.session_asked = True
    machine.run(30)
    assert machine.halt is LaidBy.SUPERVISOR and AskToStop() not in machine.effects
    machine.session_asked = False
    machine.run(1)
    assert machine.halt is LaidBy.NOBODY and len(machine.starts) == 1 and machine.told() == []


def test_in_a_hurry_the_gateway_is_asked_within_the_seconds_that_windows_grants() -> None:
    machine = Machine(starts_with=replace(READY, working=1)).up()
    machine.told_to_stop = machine.hurried = True
    machine.run(1)
    assert machine.halt is LaidBy.SUPERVISOR and AskToStop() not in machine.effects
    machine.run(2)
    assert machine.done and not machine.pid


def test_redis_away_is_told_once_and_over() -> None:
    machine = Machine().up()
    machine.redis_away_s = 6
    machine.run(30)
    assert machine.told(Severity.CRITICAL) == [REDIS]
    machine.redis_away_s = 0
    machine.look()
    assert machine.over() == [REDIS]
