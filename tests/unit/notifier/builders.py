"""Messages, events and waiting, as the notifier's tests need them."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import redis

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import AlertAcknowledged
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.step import Received, Tick
from services.contracts.streams import TICKS, home_of, key_of
from services.contracts.terms import Severity, Venue
from services.notifier.core import decide
from services.notifier.state import Notice, NoticeReason, NotifierState
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus

START_NS = 1_795_390_200 * NS_PER_S
"""2026-11-23 08:30:00 in Korea."""
TICKS_G1 = key_of(TICKS, "g1")
DEADLINE_S = 20.0

_causes = count()


def alert(
    alert_id: str = "residual-1", severity: Severity = Severity.CRITICAL, **changes: Any
) -> AlertRaised:
    fields: dict[str, Any] = {
        "alert_id": alert_id, "kind": AlertKind.RESIDUAL, "severity": severity,
        "title": "3 shares were not sold", "detail": "KRX paused the symbol.",
        "next_step": "Run `arb flatten`.", "symbol": "005930", "amount_krw": 210_000, "age_ms": 1_200,
    }  # fmt: skip
    return AlertRaised(**{**fields, **changes})


def resolved(alert_id: str = "residual-1", severity: Severity = Severity.INFO) -> AlertRaised:
    return alert(alert_id, severity, title="All shares are sold", resolved=True)


def received(message: Message, now_ns: int = START_NS, cause: str = "") -> Received:
    envelope = Envelope.wrap(
        message, source="executor", now_ns=now_ns, causation_id=cause or f"cause-{next(_causes)}"
    )
    return Received(envelope, "{arb}:alerts", "1-0", now_ns)


def acknowledged(alert_id: str = "residual-1") -> AlertAcknowledged:
    return AlertAcknowledged(alert_id=alert_id, by="kim")


def after(state: NotifierState, *events: Received | Tick | Message) -> NotifierState:
    for event in events:
        state = decide(state, event if isinstance(event, Received | Tick) else received(event)).state
    return state


def notice(notice_id: str = "n1", **changes: Any) -> Notice:
    return Notice(
        notice_id=notice_id, reason=NoticeReason.RAISED, alert=alert(notice_id, **changes), raised_ns=START_NS
    )


def quote(seq: int) -> QuoteUpdated:
    return QuoteUpdated(
        symbol="005930", venue=Venue.KRX, bids=((70_000, 10),), asks=((70_100, 10),),
        exchange_time="093000", connection_epoch=1, feed_seq=seq,
    )  # fmt: skip


def send(client: "redis.Redis", *messages: Message, name: str = "", kept: int | None = None) -> list[str]:
    """Append messages to the streams they belong to; returns the ids that were given."""
    bus = RedisBus(client)
    ids = []
    for message in messages:
        key = key_of(home_of(type(message)), name)
        envelope = Envelope.wrap(
            message, source="test", now_ns=bus.time_ns(), causation_id=f"sent-{next(_causes)}"
        )
        bus.append([Write(key, envelope, kept)])
        ids.append(bus.tail(key, 1)[0].entry_id)
    return ids


def wait_for(done: Callable[[], bool], what: str) -> None:
    """Poll until `done`, and fail loudly when it never is."""
    until = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.02)
