"""A detector as a service: its group, its name, and intents that reach the stream over a restart."""

import fakeredis
import pytest

from services.contracts.envelope import Envelope, Message, decode
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.streams import CONTROL, INTENTS, TICKS, VENUE, key_of
from services.detector.settings import DetectorSettings
from services.detector.shell import detector_service
from services.detector.state import DetectorState
from services.runtime.bus import Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import book_of
from services.runtime.settings import SettingsError, load_settings
from tests.unit.detector import world


def test_the_group_comes_from_the_environment_and_the_caller_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_DETECTOR_GROUP", "g2")
    assert detector_service(load_settings(DetectorSettings)).name == "detector-g2"
    chosen = detector_service(load_settings(DetectorSettings, group="g7"))
    assert chosen.name == "detector-g7" and chosen.newest == ("ticks:{g7}",)


def test_a_group_that_could_not_be_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_DETECTOR_GROUP", "g 1}")
    with pytest.raises(SettingsError, match="group"):
        load_settings(DetectorSettings)


class Bench:
    """A Redis, a detector on it, and a gateway that is a hand."""

    def __init__(self) -> None:
        self.bus = RedisBus(fakeredis.FakeRedis())
        self.number = 0

    def loop(self) -> ServiceLoop[DetectorState]:
        made = ServiceLoop(detector_service(DetectorSettings()), self.bus, RedisClock(self.bus.time_ns))
        made.turn()
        return made

    def say(self, key: str, *messages: Message) -> None:
        for message in messages:
            self.number += 1
            now_ns = self.bus.time_ns()
            envelope = Envelope.wrap(
                message, source="gateway", now_ns=now_ns, causation_id=f"said {self.number}"
            )
            self.bus.append([Write(key, envelope, None, book_of(message))])

    def intents(self) -> list[TradeIntent]:
        bodies = [decode(entry.text).body for entry in self.bus.tail(INTENTS.key, 100)]
        return [body for body in bodies if isinstance(body, TradeIntent)]


def test_a_restarted_detector_needs_no_history_but_the_newest_books() -> None:
    bench = Bench()
    in_force = world.reference(world.limits(max_quote_age_sell_ms=10_000, max_quote_age_buy_ms=10_000))
    bench.say(CONTROL.key, world.published(in_force))
    bench.say(VENUE.key, *world.morning(), world.window(closes_at_ns=bench.bus.time_ns() * 2))
    bench.loop()
    second = bench.loop()
    quotes: tuple[QuoteUpdated, ...] = world.crossing()
    bench.say(key_of(TICKS, "g1"), *quotes)
    second.turn()
    (intent,) = bench.intents()
    assert intent.symbol == world.SAMSUNG
    assert intent.reference_hash == in_force.hash
    bench.loop()
    assert len(bench.intents()) == 1
