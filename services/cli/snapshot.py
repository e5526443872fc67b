"""The board of a running system, read from Redis: how things are from what services keep, not from streams.

The end of a stream may hold anything: a thousand orders, or junk. It tells only what happened lately.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.cli.board import BOARD_KEYS, TAIL, Board, board_of, with_alerts
from services.cli.link import Follower, Link, Seen
from services.cli.silence import known
from services.contracts.envelope import Envelope
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import AlertAcknowledged
from services.contracts.streams import home_of, key_of
from services.notifier.state import OpenAlert
from services.runtime.standing import entry_order

NOTIFIER: Final = "notifier"
_OPEN: Final = TypeAdapter(dict[str, OpenAlert])


def board_now(link: Link) -> tuple[Board, int]:
    """Return what of the board is known now, and the time (Redis, ns)."""
    board, _ = followed_board(link)
    now_ns = link.bus.time_ns()
    return known(board, now_ns), now_ns


def followed_board(link: Link) -> tuple[Board, Follower]:
    """Return the board, and what reads on from there."""
    said = link.bus.said()
    positions = link.committed(NOTIFIER)
    lasting = _lasting(link)
    follower = link.follow(BOARD_KEYS, tail=TAIL)
    begun = {key: entry_order(position) for key, position in follower.cursors.items()}
    lately = follower.drain()
    board = board_of(in_server_order(said, lately, begun), link.bus.time_ns())
    if lasting is None:
        return board, follower
    alerts = {alert_id: entry.alert for alert_id, entry in lasting.items()}
    taken = (alert_id for alert_id, entry in lasting.items() if entry.acknowledged_by)
    news = (item.message for item in lately if _is_news(item, positions.get(item.key, "0-0")))
    return with_alerts(board, alerts, taken, news), follower


def in_server_order(
    said: Iterable[Envelope], lately: Sequence[Seen], begun: Mapping[str, tuple[int, int]]
) -> list[Envelope]:
    """Return everything once, in the order in which Redis took it; stamps of a clock decide nothing.

    `lately` is what was read, in that order, and `begun` where each stream was read from. What is kept and
    was not read stands before that in its stream.
    """
    read: dict[str, tuple[tuple[int, int], Envelope]] = {}
    for item in lately:
        read.setdefault(item.envelope.id, (item.order, item.envelope))
    kept = [
        (begun.get(key_of(home_of(type(envelope.body))), (0, 0)), envelope)
        for envelope in said
        if envelope.id not in read
    ]
    return [envelope for _, envelope in sorted([*kept, *read.values()], key=lambda pair: pair[0])]


def _lasting(link: Link) -> dict[str, OpenAlert] | None:
    """The alerts that the notifier holds as open, None where none of this build has run."""
    stored = link.bus.part(NOTIFIER, "open")
    try:
        return _OPEN.validate_json(stored) if stored else None
    except ValidationError:
        return None


def _is_news(item: Seen, position: str) -> bool:
    """Whether a message says something of an alert that the notifier has not read."""
    told = isinstance(item.message, AlertRaised | AlertAcknowledged)
    return told and item.order > entry_order(position)
