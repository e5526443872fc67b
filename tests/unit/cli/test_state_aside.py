"""`arb state aside`: a service begins anew with its epoch, and what it had stored is kept."""

from services.cli.link import Link
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import StateMovedAside
from services.contracts.streams import CONTROL, key_of, state_key
from services.runtime.redis_bus import RedisBus
from tests.unit.cli.test_commands import arb
from tests.unit.cli.test_dead import link as link  # a Redis of its own
from tests.unit.risk.desk import heartbeat

STORED = {
    "epoch": "7",
    "owner": "o",
    "commits": "3",
    "positions": '{"{arb}:control": "5-0"}',
    "trading": "{}",
}


def test_a_state_that_was_moved_aside_is_kept_and_its_service_begins_anew(link: Link) -> None:
    link.client.hset(state_key("risk"), mapping=STORED)
    result = arb("state", "aside", "risk", "--reason", "unreadable", "--by", "kim")
    assert result.exit_code == 0, result.stderr
    (moved,) = [item.message for item in link.follow([key_of(CONTROL)]).drain()]
    assert isinstance(moved, StateMovedAside)
    kept = link.client.hgetall(moved.key)
    assert {name.decode(): value.decode() for name, value in kept.items()} == STORED
    begun = RedisBus(link.client).take_over("risk")
    assert (begun.epoch, begun.parts, begun.positions) == (8, {}, {}), "nobody takes it for an older risk"


def test_the_state_of_a_running_service_is_left_where_it_is(link: Link) -> None:
    link.client.hset(state_key("risk"), mapping=STORED)
    now_ns = link.bus.time_ns()
    link.append(heartbeat("risk", started_at_ns=now_ns - 1_000 * NS_PER_MS), cause="beat", source="risk")
    result = arb("state", "aside", "risk", "--reason", "t", "--by", "kim")
    assert result.exit_code == 2 and "runs" in result.stderr
    assert arb("state", "aside", "rsk", "--reason", "t", "--by", "kim").exit_code == 2
    assert link.client.hlen(state_key("risk")) == len(STORED)
