"""`arb dead retry` reaches the one reader that had given an entry up, and no other."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from services.cli.link import Link, open_link
from services.contracts.envelope import Envelope, Message, Unreadable
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    AlertAcknowledged,
    SymbolResumed,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.messages.dead import EntryRetried, EntryRetryRequested
from services.contracts.step import Event, Received, State, Step
from services.contracts.streams import ALERTS, CONTROL, DEAD, key_of
from services.contracts.terms import TradingState
from services.runtime.burials import burial
from services.runtime.bus import Entry
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import connect
from services.runtime.retries import entry_of
from services.runtime.service import Service
from tests.unit.cli.builders import SAMSUNG, alert
from tests.unit.cli.test_commands import arb


class Seen(State):
    DURABLE: ClassVar[frozenset[str]] = frozenset({"alerts"})
    alerts: tuple[str, ...] = ()
    fails: bool = False


def hear(state: Seen, event: Event) -> Step[Seen]:
    if not (isinstance(event, Received) and isinstance(event.message, AlertRaised)):
        return Step(state)
    if state.fails:
        raise ZeroDivisionError("still")
    return Step(state.but(alerts=(*state.alerts, f"{event.message.alert_id} {event.entry_id}")))


@pytest.fixture
def link(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Link]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", redis_url)
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


Serve = Callable[..., ServiceLoop[Seen]]


@pytest.fixture
def serve(link: Link) -> Iterator[Serve]:
    """Run readers of the control stream, each in a thread."""
    stop, threads = threading.Event(), []

    def begin(name: str, *, fails: bool = False) -> ServiceLoop[Seen]:
        bus = connect(link.url)
        service = Service(name, hear, Seen(fails=fails), committed=(CONTROL.key,))
        loop = ServiceLoop(service, bus, RedisClock(bus.time_ns))
        threads.append(threading.Thread(target=loop.run, args=(stop,), daemon=True))
        threads[-1].start()
        return loop

    yield begin
    stop.set()
    for thread in threads:
        thread.join(10)


def buried(link: Link, message: AlertRaised | TradingStateRequested, *, entry_id: str = "") -> str:
    """Bury an entry as the notifier does; returns the id that the command takes."""
    link.append(message, cause="c1")
    stream = ALERTS if isinstance(message, AlertRaised) else CONTROL
    entry: Entry = link.bus.tail(stream.key, 1)[0]
    entry = replace(entry, entry_id=entry_id or entry.entry_id)
    link.append(burial("notifier", entry, "core failed", 3), cause=f"dead-{entry.name}")
    return link.bus.tail(DEAD.key, 1)[0].entry_id


def retry(number: str) -> "tuple[int, str]":
    result = arb("dead", "retry", number, "--reason", "mended", "--by", "park")
    return result.exit_code, result.output + result.stderr


def messages(link: Link, kind: type) -> list[object]:
    return [item.message for item in link.follow([key_of(CONTROL)]).drain() if isinstance(item.message, kind)]


def test_a_retry_reaches_the_reader_that_failed_and_no_other(link: Link, serve: Serve) -> None:
    failed, other = serve("notifier"), serve("risk")
    long = alert("A1").model_copy(update={"detail": "x" * 9_000})
    number = buried(link, long)
    entry_id = link.bus.tail(ALERTS.key, 1)[0].entry_id
    code, words = retry(number)
    assert code == 0 and "is taken in" in words
    assert failed.state.alerts == (f"A1 {entry_id}",) and other.state.alerts == ()
    assert link.bus.length(ALERTS.key) == 1, "nobody else reads it again"
    assert messages(link, AlertAcknowledged)


def test_a_retry_of_one_entry_leaves_the_alert_of_the_others(link: Link, serve: Serve) -> None:
    serve("notifier")
    buried(link, alert("A1"))
    code, _ = retry(buried(link, alert("A2")))
    assert code == 0 and not messages(link, AlertAcknowledged)


def test_a_retry_that_fails_again_says_why_and_leaves_the_alert(link: Link, serve: Serve) -> None:
    serve("notifier", fails=True)
    code, words = retry(buried(link, alert("A1")))
    assert code == 1 and "ZeroDivisionError: still" in words
    assert messages(link, EntryRetried) and not messages(link, AlertAcknowledged)


def test_a_persons_request_is_asked_again_and_not_retried(link: Link) -> None:
    arm = TradingStateRequested(target=TradingState.ARMED, by="kim", reason="Monday")
    code, words = retry(buried(link, arm))
    assert code == 1 and "Ask again" in words and not messages(link, EntryRetryRequested)


def test_what_cannot_be_found_or_read_is_not_retried(link: Link) -> None:
    gone = buried(link, alert("A1").model_copy(update={"detail": "x" * 9_000}), entry_id="1-0")
    assert "does not hold it any more" in retry(gone)[1]
    link.client.xadd(ALERTS.key, {"m": '{"type": "FromAnotherBuild"}'})
    (entry,) = link.bus.tail(ALERTS.key, 1)
    link.append(burial("notifier", entry, "unknown", 1), cause="bad")
    code, words = retry(link.bus.tail(DEAD.key, 1)[0].entry_id)
    assert code == 1 and "still cannot be read" in words


def test_a_retried_request_of_a_person_is_expired_by_its_own_entry() -> None:
    arm = TradingStateRequested(target=TradingState.ARMED, by="kim", reason="Monday")
    assert entry_of(retried(arm)).expired


@pytest.mark.parametrize(
    "word",
    [
        TradingStateChanged(state=TradingState.ARMED, by="kim", reason="Monday", latches=()),
        SymbolResumed(symbol=SAMSUNG, by="kim", reason="Monday"),
    ],
    ids=lambda word: type(word).__name__,
)
def test_an_old_word_that_allows_more_replaces_no_newer_stop(word: Message) -> None:
    with pytest.raises(Unreadable, match="of the past"):
        entry_of(retried(word))


def retried(message: Message) -> Received:
    """A retry, asked now, of an entry that was written long ago."""
    text = Envelope.wrap(message, source="cli", now_ns=NS_PER_MS, causation_id="c").encode()
    request = EntryRetryRequested(
        stream_key=CONTROL.key, entry_id="1-0", service="risk", text=text, by="park", reason="t"
    )
    later_ns = 1_795_397_412_345_000_000
    asked = Envelope.wrap(request, source="cli", now_ns=later_ns, causation_id="r")
    return Received(asked, CONTROL.key, f"{later_ns // NS_PER_MS}-0", later_ns)
