"""Between the gateway's threads and the exporter: what was last seen is replaced, what happened is counted.

The Qt thread only swaps one object each tick and counts after a step's effects are done. The thread of
a scrape reads that object; nothing waits for anything.
"""

import time
from collections.abc import Iterable

from services.contracts.measures import every
from services.contracts.measures.gateway import SUPERVISOR_AGE
from services.contracts.metric import Reading
from services.gateway.book_feed import BookFeed
from services.gateway.control_calls import Slots
from services.gateway.counts import counted
from services.gateway.facts import Clocked, Moment
from services.gateway.gauges import Seen, readings
from services.gateway.redis_writer import QtClock, RedisWriter
from services.gateway.state import GatewayState, GatewayStep
from services.gateway.watched import look_age_s
from services.runtime.clock import mono_ns
from services.runtime.meter import Round, loop_readings, stream_name
from services.runtime.metrics import Exporter


class Figures:
    """One gateway's figures. All but `_read` is called on the Qt thread."""

    def __init__(self, exporter: Exporter, writer: RedisWriter, clock: QtClock) -> None:
        self._exporter, self._writer, self._clock = exporter, writer, clock
        self._observe_turn = exporter.histogram(every.TURN)
        self._seen: Seen | None = None
        exporter.read_from(self._read)

    def ticked(self, state: GatewayState, fact: Clocked, feed: BookFeed, slots: Slots | None) -> None:
        """Take over what a tick measured. Where no frame of a venue came, its last comparison stands."""
        apart = {} if self._seen is None else self._seen.apart_ns
        self._seen = Seen(
            state, self._clock.now_ns(), self._clock.mono_ns(), feed.frames(), fact.last_book_ns,
            {**apart, **fact.exchange_apart_ns}, dict(feed.refused),
            {**fact.queue_depths, "facts": 0 if slots is None else len(slots.facts)},
            fact.quotes_published, fact.quotes_conflated, 0 if slots is None else slots.failures,
        )  # fmt: skip

    def took_place(self, before: GatewayState, moment: Moment, step: GatewayStep) -> None:
        """A step's effects are done: count it."""
        self._exporter.add_all(lambda: counted(before, moment, step))

    def handled(self, key: str) -> None:
        """An entry of a stream was handled."""
        self._exporter.add(every.HANDLED.at(1, stream_name(key)))

    def core_failed(self) -> None:
        self._exporter.add(every.CORE_FAILURES.at(1))

    def turned(self, worked_s: float) -> None:
        """The Qt thread went round once."""
        self._observe_turn(worked_s)

    def _read(self) -> Iterable[Reading]:
        seen, at_ns = self._seen, mono_ns()
        if seen is None:
            return
        reference = seen.state.reference
        yield from loop_readings(
            Round(
                seen.state, seen.now_ns, seen.mono_ns, "" if reference is None else reference.hash,
                self._writer.epoch, self._writer.beat_ns, self._clock.reading, self._writer.down_since_ns,
            ),
            at_ns,
        )  # fmt: skip
        yield from readings(seen, at_ns)
        age_s = look_age_s(seen.state.settings.state_dir, time.time())
        if age_s is not None:
            yield SUPERVISOR_AGE.at(age_s)
