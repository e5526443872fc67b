"""What the figures for Prometheus cost: CPU time of one thread for each book, turn and scrape.

Compared with the detector's own decision on the same book. `python -m benchmarks.figures`.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import generate_latest

from services.contracts.envelope import Envelope
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.step import Received
from services.contracts.streams import TICKS, key_of
from services.contracts.terms import Symbol, Venue
from services.detector.core import decide
from services.detector.counts import counted
from services.detector.gauges import readings
from services.detector.state import DetectorState
from services.runtime.meter import Meter, Round
from services.runtime.metrics import Exporter

TIMES: Final = 20_000
SCRAPES: Final = 100


def cpu_us(act: Callable[[], object], times: int = TIMES) -> float:
    """Return the CPU time of one call in microseconds."""
    began = time.thread_time_ns()
    for _ in range(times):
        act()
    return (time.thread_time_ns() - began) / times / 1_000


def main() -> int:
    state = DetectorState(group="g1")
    book = QuoteUpdated(
        symbol=Symbol("005930"), venue=Venue.KRX, bids=((69_900, 10),), asks=((70_000, 10),),
        exchange_time="090100", connection_epoch=1, feed_seq=1,
    )  # fmt: skip
    envelope = Envelope.wrap(book, source="gateway", now_ns=1, causation_id="c")
    event = Received(envelope, key_of(TICKS, "g1"), "1-0", 2)
    step = decide(state, event)
    exporter = Exporter("detector")
    meter = Meter(exporter, readings, counted)

    def seen() -> None:
        meter.passed(event.stream_key)
        meter.asked(state, event, step)

    deciding, noting = cpu_us(lambda: decide(state, event)), cpu_us(seen)
    adding = cpu_us(lambda: meter.took_place((), 0.001), 1) / TIMES
    turning = cpu_us(lambda: meter.turned(time.monotonic(), lambda: Round(state, 1, 1), 0.001))
    scraping = cpu_us(lambda: generate_latest(exporter.registry), SCRAPES)
    sys.stdout.write(
        f"a book: decision {deciding:.1f} us, figures {noting + adding:.1f} us\n"
        f"a turn: {turning:.1f} us\na scrape without symbols: {scraping / 1_000:.1f} ms\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
