"""Whose a Redis is, seen from a command: which system claimed it, what runs or is being started over it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import redis

from services.cli.board import STALE_NS
from services.cli.faults import Fault, UsageFault
from services.cli.link import Link
from services.cli.snapshot import board_now, followed_board
from services.contracts.limits import HEARTBEAT_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.streams import START_KEY, STATUS, SYSTEM_KEY, key_of
from services.contracts.system import SystemIdentity, SystemMode, identity_of
from services.contracts.terms import GatewayMode
from services.runtime.process import instance_name
from services.runtime.system import refusal

START_MS: Final = 90_000
"""A start that is killed holds others off for so long."""
_MOVE: Final = """
if (redis.call('HGET', KEYS[1], 'name') or '') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""


def system_of(link: Link) -> SystemIdentity | None:
    """Return the system that claimed a Redis, None where none has."""
    found = link.client.hgetall(SYSTEM_KEY)
    return identity_of({_text(name): _text(value) for name, value in found.items()})


def refuse_foreign(link: Link, own: SystemIdentity) -> None:
    """Refuse a Redis that another system holds, before anything is started over it.

    An earlier release claimed nothing: there the mode of the gateway that spoke last decides,
    however long ago that was.

    Raises:
        UsageFault: it is another's.
    """
    found = system_of(link)
    if found is not None and not found.is_same(own):
        raise UsageFault(
            f"{link.address}: {refusal(found, own)}", "Or name another Redis with `--redis URL`."
        )
    if found is None and own.mode is SystemMode.SIMULATED:
        board, _ = followed_board(link)
        if board.gateway is not None and board.gateway.mode is GatewayMode.LIVE:
            raise UsageFault(f"{link.address}: a live gateway wrote there, a simulated system may not",
                             "Name another Redis with `--redis URL`.")  # fmt: skip


def living(link: Link, services: Sequence[str] = ()) -> dict[str, str]:
    """Return the instance of each service that beats over this Redis now, of `services` or of all.

    A heartbeat may be the last of a service that has just been stopped: the next one is waited for. So it is
    where the last is stamped ahead of Redis, whose clock was set back.
    """
    board, now_ns = board_now(link)
    spoke = [seen for name, seen in board.services.items() if not services or name in services]
    if all(now_ns - seen.at_ns > STALE_NS for seen in spoke):
        return {}
    last = link.bus.tail(key_of(STATUS), 1)
    follower = link.follow([key_of(STATUS)], tail=1)
    found: dict[str, str] = {}
    deadline = time.monotonic() + 2 * HEARTBEAT_MS / 1_000
    while time.monotonic() < deadline:
        found |= {
            item.message.service: item.message.instance for item in follower.read(100)
            if isinstance(item.message, Heartbeat) and not (last and item.order <= last[0].order)
            and item.message.service in (services or (item.message.service,))
        }  # fmt: skip
    return found


def refuse_served(link: Link, services: Sequence[str] = ()) -> None:
    """Refuse a Redis over which these services run: each that is started here would take over.

    Raises:
        UsageFault: names them.
    """
    if found := living(link, services):
        names = ", ".join(f"{name} ({instance})" for name, instance in sorted(found.items()))
        raise UsageFault(f"services run over {link.address} already: {names}",
                         "Stop them there, or name another Redis with `--redis URL`.")  # fmt: skip


@contextmanager
def starting_alone(link: Link, folder: Path) -> Iterator[None]:
    """Let one command at a time start services over a Redis, on whatever machine.

    Raises:
        UsageFault: another is at it.
    """
    mine = f"{folder} on {instance_name()}"
    if not link.client.set(START_KEY, mine, nx=True, px=START_MS):
        holder = _text(link.client.get(START_KEY) or b"another command")
        raise UsageFault(
            f"services are being started over {link.address} from {holder}",
            f"Wait for it; a start that was killed holds it for {START_MS // 1_000} s.",
        )
    try:
        yield
    finally:
        with suppress(redis.RedisError):
            if _text(link.client.get(START_KEY) or b"") == mine:
                link.client.delete(START_KEY)


def adopt(link: Link, found: SystemIdentity | None, own: SystemIdentity) -> None:
    """Move a Redis from the system that was shown to `own`.

    Raises:
        Fault: meanwhile it belongs to yet another.
    """
    expected = "" if found is None else found.name
    fields = [part for pair in own.fields().items() for part in pair]
    if not link.client.eval(_MOVE, 1, SYSTEM_KEY, expected, *fields):
        raise Fault(
            "the Redis was moved by somebody else meanwhile", "Look at `arb system show` and try again."
        )


def _text(raw: object) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
