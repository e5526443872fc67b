"""What the notifier shows and counts: what waits for a person, deliveries, lags, Redis itself."""

import pytest
import redis

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.measures import notifier as m
from services.contracts.messages.control import TradingStateRequested
from services.contracts.messages.status import Heartbeat
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.step import Received, Tick
from services.contracts.streams import CONTROL, STATUS, TICKS, key_of
from services.contracts.terms import Severity, TradingState
from services.gateway.supervisor.state import Phase
from services.notifier.bus_figures import (
    END,
    SILENT_MS,
    Beat,
    BusSeen,
    Lag,
    Place,
    StreamSeen,
    id_ms,
    places,
)
from services.notifier.bus_figures import readings as bus_readings
from services.notifier.bus_watch import BusWatch, look_at
from services.notifier.core import decide
from services.notifier.counts import counted
from services.notifier.gauges import readings
from services.notifier.jobs import enqueue_digest
from services.notifier.reported import DeliveryFailed, JournalReported, NoticesDelivered
from services.notifier.state import Digest, DigestLine, NotifierState
from services.notifier.wording import Language
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus
from tests.support.figures import Figures

from .builders import START_NS, acknowledged, alert, quote, received, resolved, send, wait_for

TICKS_G1 = key_of(TICKS, "g1")


class Desk:
    """A core with its figures counted as the loop does."""

    def __init__(self) -> None:
        self.state = NotifierState()
        self.counted = Figures("notifier")

    def tell(self, message: Message | Tick, after_s: float = 0) -> None:
        now_ns = START_NS + int(after_s * NS_PER_S)
        event: Received | Tick = message if isinstance(message, Tick) else received(message, now_ns)
        before, step = self.state, decide(self.state, event)
        self.counted.take(counted(before, event, step))
        self.state = step.state

    def shown(self, after_s: float = 0) -> Figures:
        return Figures("notifier").take(readings(self.state, START_NS + int(after_s * NS_PER_S)))


class TestAlerts:
    def test_a_critical_alert_waits_and_ages_until_it_is_delivered(self) -> None:
        desk = Desk()
        desk.tell(alert())
        shown = desk.shown(after_s=3)
        assert shown.of(m.ALERTS_OPEN, Severity.CRITICAL) == 1
        assert (shown.of(m.OUTBOX), shown.of(m.OUTBOX_AGE)) == (1, 3)
        assert shown.of(m.UNACKNOWLEDGED) == 1
        desk.tell(NoticesDelivered(notice_ids=(desk.state.outbox[0].notice_id,)), after_s=4)
        shown = desk.shown(after_s=5)
        assert (shown.of(m.OUTBOX), shown.of(m.OUTBOX_AGE)) == (0, 0)
        assert desk.counted.each(m.DELIVERY_DELAY, Severity.CRITICAL) == [4]
        assert desk.counted.of(m.DELIVERIES, "delivered") == 1

    def test_a_delivery_that_is_reported_again_adds_nothing(self) -> None:
        desk = Desk()
        desk.tell(alert())
        delivered = NoticesDelivered(notice_ids=(desk.state.outbox[0].notice_id,))
        desk.tell(delivered, after_s=1)
        desk.tell(delivered, after_s=2)
        assert desk.counted.of(m.DELIVERIES, "delivered") == 1
        assert len(desk.counted.each(m.DELIVERY_DELAY, Severity.CRITICAL)) == 1

    def test_a_failed_attempt_is_counted_and_leaves_the_notice(self) -> None:
        desk = Desk()
        desk.tell(alert())
        desk.tell(DeliveryFailed(notice_ids=("x",), problem="500"))
        assert desk.counted.of(m.DELIVERIES, "failed") == 1
        assert desk.shown().of(m.OUTBOX) == 1

    def test_nobody_acknowledged_it_so_it_is_told_again(self) -> None:
        desk = Desk()
        desk.tell(alert())
        desk.tell(NoticesDelivered(notice_ids=(desk.state.outbox[0].notice_id,)))
        after_s = desk.state.policy.escalate_after_ns // NS_PER_S + 1
        desk.tell(Tick(START_NS + after_s * NS_PER_S))
        assert desk.counted.of(m.ESCALATIONS) == 1
        desk.tell(acknowledged(), after_s=after_s)
        assert desk.shown().of(m.UNACKNOWLEDGED) == 0

    def test_what_is_over_is_not_heard_as_an_alert(self) -> None:
        desk = Desk()
        desk.tell(alert())
        desk.tell(resolved(), after_s=1)
        assert desk.counted.of(m.ALERTS_HEARD, Severity.CRITICAL) == 1
        assert desk.counted.of(m.ALERTS_HEARD, Severity.INFO) == 0
        assert desk.shown().of(m.ALERTS_OPEN, Severity.CRITICAL) == 0

    def test_the_journal_says_how_it_stands(self) -> None:
        desk = Desk()
        desk.tell(JournalReported(lines=12, lag_ms=1_500))
        shown = desk.shown()
        assert (shown.of(m.JOURNAL_LINES), shown.of(m.JOURNAL_LAG)) == (12, 1.5)


def entry(ms: int) -> str:
    return f"{START_NS // NS_PER_MS + ms}-0"


class TestPlaces:
    def test_a_reader_that_beats_is_held_against_its_heartbeat(self) -> None:
        beat = Beat("risk", START_NS // NS_PER_MS - 200, {CONTROL.key: "5-0"})
        (place,) = places([beat], {"risk": {CONTROL.key: "3-0"}}, START_NS)
        assert place == Place("risk", CONTROL.key, "5-0", str(id_ms(entry(-200))))

    def test_one_that_is_silent_is_held_against_the_end(self) -> None:
        (place,) = places([Beat("risk", START_NS // NS_PER_MS - 6_000, {CONTROL.key: "5-0"})], {}, START_NS)
        assert place.until_id == END

    def test_one_that_never_beat_is_known_by_what_it_committed(self) -> None:
        (place,) = places([], {"executor": {CONTROL.key: "3-0", "kettle": "1-0"}}, START_NS)
        assert place == Place("executor", CONTROL.key, "3-0", END)


class TestBusReadings:
    def test_a_lag_is_as_old_as_its_oldest_entry(self) -> None:
        silent = Lag(Place("risk", CONTROL.key, "0-0"), 2, entry(-2_500))
        beating = Lag(Place("detector-g1", TICKS_G1, "0-0", entry(-100)), 1, entry(-130))
        seen = BusSeen(True, START_NS, streams=(StreamSeen(TICKS_G1, 5, 9),), lags=(silent, beating))
        shown = Figures("notifier").take(bus_readings(seen))
        assert shown.of(m.READER_LAG, "risk", "control", "") == 2
        assert shown.of(m.READER_LAG_TIME, "risk", "control", "") == 2.5
        assert shown.of(m.READER_LAG_TIME, "detector-g1", "ticks", "g1") == 0.03
        assert shown.of(m.STREAM_LENGTH, "ticks", "g1") == 5
        assert shown.of(m.STREAM_ADDED, "ticks", "g1") == 9

    def test_without_an_answer_only_that_is_said(self) -> None:
        shown = Figures("notifier").take(bus_readings(BusSeen(up=False)))
        assert shown.values == {(m.REDIS_UP.name, ()): [0.0]}


def beat(client: "redis.Redis", positions: dict[str, str], cursors: dict[str, str]) -> None:
    send(
        client,
        Heartbeat(
            service="risk", instance="", epoch=1, build_id="b", pid=1, started_at_ns=0, reference_hash="",
            positions=positions, handled=0, clock_offset_us=0, cursors=cursors,
        ),
    )  # fmt: skip


def request(reason: str) -> TradingStateRequested:
    return TradingStateRequested(target=TradingState.HALTED, by="kim", reason=reason)


def test_a_look_at_a_real_redis_finds_lengths_lags_and_jobs(real: "redis.Redis") -> None:
    first, *_ = send(real, request("a"), request("b"), request("c"))
    tick, *_ = send(real, *(quote(seq) for seq in range(3)), name="g1")
    beat(real, {CONTROL.key: first}, {TICKS_G1: tick})
    beaten_ms = id_ms(RedisBus(real).tail(STATUS.key, 1)[0].entry_id)
    wait_for(lambda: RedisBus(real).time_ns() // NS_PER_MS > beaten_ms, "the next millisecond")
    send(real, request("after the beat"))
    RedisBus(real).take_over("executor")
    line = DigestLine(alert=alert(severity=Severity.INFO), at_ns=1)
    enqueue_digest(real, Digest(digest_id="d", lines=(line,)), {}, Language.ENGLISH)

    shown = Figures("notifier").take(bus_readings(look_at(real)))

    assert shown.of(m.REDIS_UP) == shown.of(m.REDIS_SAVES) == 1
    assert shown.of(m.STREAM_LENGTH, "control", "") == shown.of(m.STREAM_ADDED, "control", "") == 4
    assert shown.of(m.READER_LAG, "risk", "control", "") == 2, "what came after the beat is no lag of it"
    assert shown.of(m.READER_LAG, "risk", "ticks", "g1") == 2
    assert shown.of(m.READER_LAG_TIME, "risk", "control", "") >= 0
    assert shown.of(m.DIGEST_JOBS, "queued") == 1
    assert shown.of(m.DIGEST_JOBS, "failed") == 0
    assert shown.of(m.REDIS_MEMORY) > 100_000
    assert shown.of(m.REDIS_CLIENTS) >= 1
    assert not shown.has(m.STREAM_LENGTH, "dead", ""), "nothing was ever written to it"
    assert STATUS.name in {stream for stream, _ in shown.labels(m.STREAM_LENGTH)}


@pytest.mark.parametrize(("phase", "rests"), [(Phase.RESTING, 1), (Phase.RUNNING, 0), (Phase.GAVE_UP, 0)])
def test_whether_the_gateway_rests_is_what_its_supervisor_says(
    real: "redis.Redis", phase: Phase, rests: int
) -> None:
    assert not Figures("notifier").take(bus_readings(look_at(real))).has(m.GATEWAY_RESTS)
    send(real, SupervisorStatus(
        name="main", phase=phase.value, pid=0, starts=0, ends=0, pulse_age_ms=-1, memory_mb=0, halt="nobody",
        last_end="",
    ))  # fmt: skip
    seen = look_at(real)
    assert Figures("notifier").take(bus_readings(seen)).of(m.GATEWAY_RESTS) == rests


def test_a_supervisor_that_fell_silent_says_nothing_of_a_rest(real: "redis.Redis") -> None:
    said = SupervisorStatus(
        name="main", phase="resting", pid=0, starts=0, ends=0, pulse_age_ms=-1, memory_mb=0, halt="nobody",
        last_end="",
    )  # fmt: skip
    old_ns = RedisBus(real).time_ns() - (SILENT_MS + 1_000) * NS_PER_MS
    envelope = Envelope.wrap(said, source="gateway-supervisor", now_ns=old_ns, causation_id="old")
    RedisBus(real).append([Write(STATUS.key, envelope)])
    assert not Figures("notifier").take(bus_readings(look_at(real))).has(m.GATEWAY_RESTS)


def test_a_redis_that_is_gone_is_seen_to_be_gone_and_comes_back(real: "redis.Redis") -> None:
    def nobody() -> "redis.Redis":
        return redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)

    connects = iter([nobody, lambda: real])
    watch = BusWatch(lambda: next(connects)())
    watch.look()
    assert Figures("notifier").take(watch.readings()).of(m.REDIS_UP) == 0
    watch.look()
    assert Figures("notifier").take(watch.readings()).of(m.REDIS_UP) == 1
