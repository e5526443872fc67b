"""From readings to what a scrape shows, and what the loop tells of itself."""

import threading
import urllib.request
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import fakeredis
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_S
from services.contracts.measures import every, gateway, risk
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import TradingStateRequested
from services.contracts.metric import Reading
from services.contracts.metrics import metrics_of
from services.contracts.step import Event, Outgoing, Received, State, Step
from services.contracts.streams import CONTROL
from services.contracts.terms import Severity, TradingState
from services.runtime.bus import BusUnavailable, Write
from services.runtime.clock import ClockReading, RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.meter import Meter, Round, loop_readings, stream_name
from services.runtime.metrics import Exporter, Undeclared, serve
from services.runtime.process_figures import process_figures
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from tests.support.figures import Figures, scraped


class TestExporter:
    def test_every_declared_metric_is_there_before_anything_happened(self) -> None:
        for service in ("gateway", "detector", "risk", "executor", "notifier", "simulator"):
            families = {family.name for family in Exporter(service).registry.collect()}
            assert families == {metric.name.removesuffix("_total") for metric in metrics_of(service)}

    def test_enumerated_counters_begin_at_zero(self) -> None:
        shown = scraped(Exporter("risk"))
        assert shown["arb_intents_denied_total|reason=cash"] == 0
        assert not [name for name in shown if name.startswith("arb_pairs_approved_total")]

    def test_counters_add_up_and_histograms_sort(self) -> None:
        exporter = Exporter("risk")
        exporter.add(risk.APPROVALS.at(1, "005930"), risk.APPROVALS.at(2, "005930"))
        exporter.add(risk.TICK_TO_ORDER.at(0.003))
        shown = scraped(exporter)
        assert shown["arb_pairs_approved_total|symbol=005930"] == 3
        assert shown["arb_tick_to_order_seconds_bucket|le=0.002"] == 0
        assert shown["arb_tick_to_order_seconds_bucket|le=0.005"] == 1

    def test_what_is_read_is_read_at_each_scrape(self) -> None:
        exporter, krw = Exporter("risk"), [1]
        exporter.read_from(lambda: [risk.EXPOSURE.at(krw[0])])
        assert scraped(exporter)["arb_exposure_krw"] == 1
        krw[0] = 2
        assert scraped(exporter)["arb_exposure_krw"] == 2

    @pytest.mark.parametrize(
        "reading", [gateway.HALTED.at(1), gateway.FILLS.at(1, "KRX", "buy"), risk.APPROVALS.at(1)]
    )
    def test_what_is_not_declared_is_refused(self, reading: Reading) -> None:
        with pytest.raises(Undeclared):
            Exporter("risk").add(reading)

    def test_figures_that_fail_are_counted_and_the_others_shown(self) -> None:
        exporter = Exporter("risk")

        def broken() -> Iterable[Reading]:
            yield risk.OPEN_PAIRS.at(2)
            raise ZeroDivisionError

        exporter.read_from(broken)
        exporter.read_from(lambda: [risk.EXPOSURE.at(5)])
        exporter.add_all(lambda: [gateway.HALTED.at(1)])
        assert scraped(exporter)["arb_exposure_krw"] == 5
        assert scraped(exporter)["arb_readings_failed_total"] >= 2

    def test_it_is_served_as_text_that_prometheus_reads(self) -> None:
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        exporter = Exporter("executor")
        exporter.read_from(process_figures("abc"))
        serve(exporter, port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            families = {f.name: f for f in text_string_to_metric_families(reply.read().decode())}
        (build,) = families["arb_build_info"].samples
        assert (build.labels, build.value) == ({"build_id": "abc"}, 1)
        assert families["arb_process_memory_bytes"].samples[0].value > 1_000_000


class Count(State):
    """Counts requests."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"count"})
    count: int = 0


def decide(state: Count, event: Event) -> Step[Count]:
    if not isinstance(event, Received) or not isinstance(event.message, TradingStateRequested):
        return Step(state)
    if event.message.reason == "poison":
        raise ZeroDivisionError("poison")
    alert = AlertRaised(
        alert_id="a", kind=AlertKind.HALT, severity=Severity.WARNING, title="", detail="", next_step="",
    )  # fmt: skip
    return Step(state.but(count=state.count + 1), (Outgoing(alert),))


def counted(before: Count, event: Event, step: Step[Count]) -> Iterable[Reading]:
    if step.state.count > before.count:
        yield risk.ARMING_REFUSED.at(1)


class Desk:
    """A loop over a Redis that refuses commits on demand."""

    def __init__(self) -> None:
        self.client = fakeredis.FakeRedis()
        self.bus = RedisBus(self.client)
        self.exporter = Exporter("risk")
        service: Service[Count] = Service(
            "count", decide, Count(), committed=(CONTROL.key,), exports="risk",
            readings=lambda state, now_ns: [risk.OPEN_PAIRS.at(state.count)], counted=counted,
        )  # fmt: skip
        meter = Meter(self.exporter, service.readings, service.counted)
        self.loop = ServiceLoop(service, self.bus, RedisClock(self.bus.time_ns), meter)

    def ask(self, reason: str) -> None:
        message = TradingStateRequested(target=TradingState.HALTED, by="kim", reason=reason)
        envelope = Envelope.wrap(message, source="cli", now_ns=1, causation_id=reason)
        self.bus.append([Write(CONTROL.key, envelope)])


class TestLoop:
    def test_a_step_is_counted_when_it_was_committed(self) -> None:
        desk = Desk()
        desk.ask("once")
        for _ in range(3):  # after a start each try of an entry is noted before it is made
            desk.loop.turn()
        shown = scraped(desk.exporter)
        assert shown["arb_arming_refused_total"] == 1
        assert shown["arb_messages_handled_total|stream=control"] == 1
        assert shown["arb_messages_written_total|stream=alerts"] == 1
        assert shown["arb_alerts_raised_total|code=|kind=halt|severity=warning"] == 1
        assert shown["arb_open_pairs"] == 1
        assert shown["arb_heartbeat_time_seconds"] > 0
        assert shown["arb_clock_trusted"] == 1
        assert shown["arb_epoch"] == 1

    def test_what_a_failed_commit_dropped_is_not_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        desk = Desk()
        desk.loop.turn()
        desk.ask("once")

        def refuse(*_: object, **__: object) -> None:
            raise BusUnavailable("gone")

        with monkeypatch.context() as patched:
            patched.setattr(desk.bus, "commit", refuse)
            stop = threading.Event()
            turned = desk.loop.turn

            def once(block_ms: int = 0) -> int:
                stop.set()
                return turned(block_ms)

            patched.setattr(desk.loop, "turn", once)
            desk.loop.run(stop)
        shown = scraped(desk.exporter)
        assert shown["arb_arming_refused_total"] == 0
        assert shown["arb_bus_errors_total"] == 1
        assert shown["arb_bus_down_seconds"] > 0
        for _ in range(3):
            desk.loop.turn()
        shown = scraped(desk.exporter)
        assert shown["arb_arming_refused_total"] == 1
        assert shown["arb_bus_down_seconds"] == 0

    def test_a_core_that_fails_is_counted_and_its_entry_is_a_dead_letter(self) -> None:
        desk = Desk()
        desk.ask("poison")
        for _ in range(5):
            desk.loop.turn()
        shown = scraped(desk.exporter)
        assert shown["arb_core_failures_total"] == 3
        assert shown["arb_dead_letters_total|stream=control"] == 1

    def test_a_loop_that_stands_still_shows_ages_that_grow(self) -> None:
        clock = ClockReading(offset_ns=0, error_ns=2_000, offset_us=-7, trusted=True, jumps=1)
        done = Round(
            Count(), now_ns=5 * NS_PER_S, mono_ns=NS_PER_S, reference_hash="h", epoch=3, beat_ns=4 * NS_PER_S,
            clock=clock, down_since_ns=NS_PER_S,
        )  # fmt: skip
        shown = Figures("risk").take(loop_readings(done, 3 * NS_PER_S))
        assert shown.of(every.BUS_DOWN) == 2
        assert shown.of(every.CLOCK_OFFSET) == -7e-06
        assert shown.of(every.CLOCK_JUMPS) == 1
        assert shown.of(every.REFERENCE, "h") == 1
        assert done.now_at(3 * NS_PER_S) == 7 * NS_PER_S
        assert (
            not Figures("risk").take(loop_readings(replace(done, reference_hash=""), 0)).has(every.REFERENCE)
        )

    def test_a_key_is_called_by_its_stream(self) -> None:
        assert stream_name(CONTROL.key) == "control"
        assert stream_name("kettle") == "kettle"
