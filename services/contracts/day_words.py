"""The words for what a day came to, one definition each: board, report, metrics and alerts count by these.

docs/figures.md says the same to a person, and where each figure is shown. Pure.
"""

from services.contracts.envelope import Message
from services.contracts.messages.orders import OrderFacts, OrderFilled
from services.contracts.messages.pairs import ClipCompleted, PairClosed


def order_id_told(message: Message) -> str:
    """Return the order that a message of the gateway tells of, empty where it tells of none.

    An order is one id for which SendOrder was called, whatever became of it. A cancel is no order; it is a
    call, as an order is. What the gateway denied was never called for.
    """
    facts = getattr(message, "facts", None)
    return facts.order_id if isinstance(facts, OrderFacts) else ""


def is_clip(done: ClipCompleted) -> bool:
    """Whether a clip counts: it bought at least one share. One whose buy found nothing is none."""
    return done.bought_shares > 0


def is_fill(filled: OrderFilled) -> bool:
    """Whether shares changed hands; a message that only brings costs is no fill."""
    return filled.last_qty_shares > 0


def is_first_close(closed: PairClosed) -> bool:
    """Whether a pair counts as closed by this. One that a late fill opened again counts no second time."""
    return closed.closings == 1
