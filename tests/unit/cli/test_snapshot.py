"""How things are is read from what services keep: whatever stands at the end of a stream changes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cli.board import Board
from services.cli.link import Link, open_link
from services.cli.preflight import is_clean, preflight
from services.cli.silence import known
from services.cli.snapshot import board_now, followed_board
from services.contracts.envelope import Envelope, Message
from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import (
    AlertAcknowledged,
    ReferencePublished,
    Stopped,
    TradingStateChanged,
)
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    ConnectionState,
    EntryWindowChanged,
    FeedLivenessChanged,
)
from services.contracts.said import said_field
from services.contracts.streams import ALERTS, CONTROL, ORDERS, PAIRS, STATUS, VENUE, home_of, key_of
from services.contracts.terms import TradingState, Venue
from services.contracts.trading_limits import TradingLimits
from services.market.files import load_market, load_symbol_map
from services.notifier.core import decide
from services.notifier.state import NotifierState
from services.runtime.bus import Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from tests.unit.cli.builders import (
    DATE,
    alert,
    executor_status,
    gateway_status,
    heartbeat,
    open_pair,
    risk_status,
    sent,
)

CONFIG = Path(__file__).parents[3] / "config"
SECOND_NS = NS_PER_S
HOUR_NS = 3_600 * NS_PER_S
KEYS = [key_of(stream) for stream in (STATUS, CONTROL, VENUE, PAIRS, ORDERS, ALERTS)]


def reference() -> Reference:
    rules = load_market(CONFIG)
    return Reference(
        trading_date=DATE, symbols=load_symbol_map(CONFIG, ("g1", "g2")), limits=TradingLimits(),
        costs=rules.costs_by_market(DATE),
    )  # fmt: skip


def write_of(message: Message, source: str, now_ns: int) -> Write:
    stream = home_of(type(message))
    envelope = Envelope.wrap(message, source=source, now_ns=now_ns, causation_id=f"{source}-{message!r}")
    return Write(key_of(stream), envelope, stream.kept)


def commit(link: Link, service: str, *messages: Message, ahead_ns: int = 0) -> None:
    """Say something as a service does: with its state, under its epoch, stamped as its clock goes."""
    bus = RedisBus(link.client)
    epoch = bus.take_over(service).epoch
    now_ns = bus.time_ns() + ahead_ns
    bus.commit(service, epoch, {}, {}, [write_of(message, service, now_ns) for message in messages])


def disarmed(stop_count: int) -> TradingStateChanged:
    return TradingStateChanged(
        state=TradingState.DISARMED, by="kim", reason="r", latches=(), stop_count=stop_count
    )


def say_all(link: Link) -> None:
    """A desk that is ready, each service by itself."""
    known = reference()
    commit(
        link, "gateway", heartbeat("gateway"), gateway_status(),
        ConnectionChanged(state=ConnectionState.READY, connection_epoch=1, planned=True),
        FeedLivenessChanged(venue=Venue.NXT, alive=True, last_event_ns=1),
        FeedLivenessChanged(venue=Venue.KRX, alive=False, last_event_ns=1),
        EntryWindowChanged(
            open=True, market_time="09:05:00", reason="both trade", trading_date=DATE, closes_at_ns=1
        ),
        ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=()),
        AccountReported(cash_krw=100, orderable_krw=100, holdings={}, trading_date=DATE),
    )  # fmt: skip
    commit(
        link, "risk", heartbeat("risk", reference_hash=known.hash), risk_status(),
        ReferencePublished(reference=known, reference_hash=known.hash, by="risk", reason="start"),
        TradingStateChanged(state=TradingState.ARMED, by="kim", reason="open", latches=()),
    )  # fmt: skip
    commit(link, "executor", heartbeat("executor", reference_hash=known.hash), executor_status(open_pair()))
    for name in ("detector-g1", "detector-g2"):
        commit(link, name, heartbeat(name, reference_hash=known.hash))
    commit(link, "notifier", heartbeat("notifier", reference_hash=known.hash))
    RedisBus(link.client).append([write_of(SupervisorStatus(
        name="main", phase="running", pid=1, starts=1, ends=0, pulse_age_ms=1, memory_mb=1, halt="nobody",
        last_end="",
    ), "gateway-supervisor", link.bus.time_ns())])  # fmt: skip


def stands(board: Board) -> Board:
    """The board without what happened lately."""
    return replace(board, events=(), closed=())


@pytest.fixture
def desk(redis_url: str) -> Link:
    link = open_link(redis_url)
    link.client.flushall()
    say_all(link)
    return link


def board_then(link: Link) -> tuple[Board, int]:
    """The board at the notifier's heartbeat, the last that the desk said, however long ago that is."""
    board, _ = followed_board(link)
    now_ns = board.services["notifier"].at_ns
    return known(board, now_ns), now_ns


def flood(client: "redis.Redis", texts: Sequence[tuple[str, bytes | str]]) -> None:
    pipeline = client.pipeline(transaction=False)
    for key, text in texts:
        pipeline.xadd(key, {"m": text})
    pipeline.execute()


def test_a_desk_can_be_armed_after_five_thousand_orders(desk: Link) -> None:
    """The comparison with the broker was looked for in the last thousand entries of the orders."""
    text = write_of(sent(), "gateway", desk.bus.time_ns()).envelope.encode()
    flood(desk.client, [(key_of(ORDERS), text)] * 5_000)
    checks = preflight(*board_then(desk))
    assert is_clean(checks), [check for check in checks if not check.ok]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_board_is_the_same_whatever_stands_at_the_end_of_a_stream(
    desk: Link, data: st.DataObject
) -> None:
    before = stands(board_then(desk)[0])
    assert before.reconciled and before.account and before.reference and before.supervisor and before.window
    order = write_of(sent(), "gateway", desk.bus.time_ns()).envelope.encode()
    text = data.draw(st.sampled_from([b"junk", b"", b"\xff" * 300, b"{}", order.encode()]))
    keys = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True))
    count = data.draw(st.integers(1_000, 1_300))
    flood(desk.client, [(key, text) for key in keys for _ in range(count)])
    after = stands(board_then(desk)[0])
    assert replace(after, services={}) == replace(before, services={})
    assert {name: item.beat for name, item in after.services.items()} == {
        name: item.beat for name, item in before.services.items()
    }


def test_an_open_alert_is_shown_however_many_others_came_since(desk: Link) -> None:
    bus = RedisBus(desk.client)
    service: Service[NotifierState] = Service("notifier", decide, NotifierState(), (ALERTS.key, CONTROL.key))
    loop = ServiceLoop(service, bus, RedisClock(bus.time_ns))
    for alert_id in ("lasts", "is over", "is taken"):
        desk.append(alert(alert_id), cause=alert_id)
    loop.turn()
    desk.append(alert("is over", resolved=True), cause="over")
    desk.append(AlertAcknowledged(alert_id="is taken", by="kim", reason="seen"), cause="taken")
    loop.turn()
    flood(desk.client, [(ALERTS.key, b"junk")] * 1_500)
    assert [found.alert_id for found in board_now(desk)[0].open_alerts()] == ["lasts"]
    desk.append(alert("is new"), cause="new")
    desk.append(alert("lasts", resolved=True), cause="lasts over")
    found = [found.alert_id for found in board_now(desk)[0].open_alerts()]
    assert found == ["is new"], "what the notifier has yet to read counts"


def test_what_is_kept_is_found_after_a_take_over_and_is_no_part_of_a_state(desk: Link) -> None:
    stored = RedisBus(desk.client).take_over("gateway")
    assert stored.parts == {}
    kinds = {envelope.type for envelope in desk.bus.said()}
    assert {"ReconciliationCompleted", "SupervisorStatus", "ReferencePublished"} <= kinds


def test_what_another_build_said_is_left_out(desk: Link) -> None:
    desk.client.hset("{arb}:state:gateway", said_field(gateway_status()), '{"type": "Newer"}')
    board, _ = board_now(desk)
    assert board.risk is not None and board.reconciled is not None


def test_a_comparison_of_an_earlier_connection_is_none(desk: Link) -> None:
    commit(desk, "gateway", gateway_status(connection_epoch=2))
    failed = [check for check in preflight(*board_now(desk)) if not check.ok]
    assert [(check.name, check.detail) for check in failed] == [
        ("reconciliation", "not since the connection began")
    ]


@pytest.mark.parametrize("noise", [0, 1_100])
def test_after_a_clock_was_set_back_the_last_word_is_shown(desk: Link, noise: int) -> None:
    """The stamps of what is older lie ahead by an hour then."""
    commit(desk, "risk", risk_status(), ahead_ns=HOUR_NS)
    commit(desk, "executor", executor_status(open_pair()), ahead_ns=HOUR_NS)
    stop = Stopped(what="halted", by="kim", reason="wrong prices", at_ns=1)
    commit(desk, "risk", risk_status(state=TradingState.HALTED, stop_count=7, last_stop=stop))
    commit(desk, "executor", executor_status())
    flood(desk.client, [(key_of(STATUS), b"junk")] * noise)
    board, _ = board_now(desk)
    assert (board.state, board.stop_count) == (TradingState.HALTED, 7)
    assert board.executor is not None and not board.executor.pairs


def test_a_word_on_the_state_counts_from_where_redis_took_it(desk: Link) -> None:
    commit(desk, "risk", risk_status(), ahead_ns=SECOND_NS)
    commit(desk, "risk", disarmed(stop_count=3))
    board, _ = board_now(desk)
    assert (board.state, board.stop_count) == (TradingState.DISARMED, 3)
    commit(desk, "risk", risk_status(state=TradingState.ARMED, stop_count=4), ahead_ns=-SECOND_NS)
    board, _ = board_now(desk)
    assert (board.state, board.stop_count) == (TradingState.ARMED, 4)


def test_a_service_whose_stamps_lie_ahead_is_not_known_to_be_alive(desk: Link) -> None:
    commit(desk, "risk", heartbeat("risk"), risk_status(stop_count=5), ahead_ns=HOUR_NS)
    board, now_ns = board_then(desk)
    assert not board.alive("risk", now_ns) and board.alive("executor", now_ns)
    assert board.risk is None and board.stop_count == 5
