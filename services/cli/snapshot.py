"""The board of a running system, read from Redis: how things are from what services keep, not from streams.

The end of a stream may hold anything: a thousand orders, or junk. It tells only what happened lately.
"""

from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.cli.board import BOARD_KEYS, TAIL, Board, board_of, with_alerts
from services.cli.link import Follower, Link, Seen, entry_order
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import AlertAcknowledged
from services.notifier.state import OpenAlert

NOTIFIER: Final = "notifier"
_OPEN: Final = TypeAdapter(dict[str, OpenAlert])


def board_now(link: Link) -> tuple[Board, int]:
    """Return the board, and the time (Redis, ns)."""
    board, _ = followed_board(link)
    return board, link.bus.time_ns()


def followed_board(link: Link) -> tuple[Board, Follower]:
    """Return the board, and what reads on from there."""
    said = link.bus.said()
    positions = link.bus.positions(NOTIFIER)
    lasting = _lasting(link)
    follower = link.follow(BOARD_KEYS, tail=TAIL)
    lately = follower.drain()
    board = board_of([*said, *(item.envelope for item in lately)], link.bus.time_ns())
    if lasting is None:
        return board, follower
    alerts = {alert_id: entry.alert for alert_id, entry in lasting.items()}
    taken = (alert_id for alert_id, entry in lasting.items() if entry.acknowledged_by)
    news = (item.message for item in lately if _is_news(item, positions.get(item.key, "0-0")))
    return with_alerts(board, alerts, taken, news), follower


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
