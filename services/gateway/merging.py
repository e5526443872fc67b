"""How evidence about one of our orders merges into what is known of it.

An order closes when it is filled, or when evidence with nothing remaining names an amount that
our fills have reached: a closing frame that overtakes the last fill waits for it, and a closing word
without an amount, or with one below our fills, closes nothing. It lives again on positive evidence alone: a
number where it was thought never to have arrived, or a fill beyond the amount that closed it with shares
still open, or nobody knows how many.
"""

from dataclasses import dataclass, replace

from services.contracts.messages.orders import OrderFacts
from services.gateway.evidence import Evidence
from services.gateway.order_table import OrderRecord, Stage
from services.market.broker_lists import OrderState
from services.market.hoga import OrderAction


@dataclass(frozen=True, slots=True)
class Growth:
    """What evidence added to a record. `costs_krw` is commission and tax, which may come after all else."""

    record: OrderRecord
    accepted: bool = False
    qty_shares: int = 0
    amount_krw: int = 0
    costs_krw: int = 0
    closed: bool = False
    reopened: bool = False

    @property
    def news(self) -> bool:
        """Whether it is told in any case, with all that the record says by now."""
        return self.accepted or self.qty_shares > 0 or self.closed


def merge(record: OrderRecord, seen: Evidence) -> Growth:
    """Return the record with evidence merged in by maximum, and what that added.

    A quantity counts only together with its amount: they come from one frame or row.
    """
    if record.action is OrderAction.CANCEL:
        return _merge_cancel(record, seen)
    old = record.facts
    cum_qty, cum_amount = old.cum_qty_shares, old.cum_amount_krw
    amount_krw = seen.amount_named_krw
    if seen.cum_qty_shares is not None and amount_krw is not None and seen.cum_qty_shares > cum_qty:
        cum_qty, cum_amount = min(seen.cum_qty_shares, old.qty_shares), amount_krw
    refused = seen.rejected and not (cum_qty or amount_krw)
    closing = record.closing_amount_krw
    reopened = old.closed and cum_qty > old.cum_qty_shares and seen.remaining_shares != 0
    if reopened:
        closing = -1
    if refused:
        closing = 0
    elif seen.remaining_shares == 0 and amount_krw is not None and not seen.ends_below(cum_amount):
        closing = max(closing, amount_krw)
    closed = (old.closed and not reopened) or cum_qty == old.qty_shares or 0 <= closing <= cum_amount
    facts = _with(
        old,
        cum_qty_shares=cum_qty,
        cum_amount_krw=cum_amount,
        commission_krw=max(old.commission_krw, seen.commission_krw),
        tax_krw=max(old.tax_krw, seen.tax_krw),
        closed=closed,
    )
    merged = replace(
        record,
        facts=facts,
        stage=Stage.CLOSED if closed else Stage.ACCEPTED,
        closing_amount_krw=closing,
        rejected=record.rejected or refused,
        absences=0,
        blank_ns=0 if closed else record.blank_ns,
    )
    return Growth(
        merged,
        accepted=record.stage in (Stage.SENT, Stage.UNKNOWN),
        qty_shares=cum_qty - old.cum_qty_shares,
        amount_krw=cum_amount - old.cum_amount_krw,
        costs_krw=facts.commission_krw + facts.tax_krw - old.commission_krw - old.tax_krw,
        closed=closed and not old.closed,
        reopened=reopened and not closed,
    )


def is_in_question(record: OrderRecord, seen: Evidence, growth: Growth) -> bool:
    """Whether it leaves out what it tells of, or contradicts how an order has ended or how far it has got."""
    if record.stage is Stage.CLOSED:
        return growth.qty_shares > 0
    return seen.lacks_a_figure or seen.ends_below(record.facts.cum_amount_krw)


def _merge_cancel(record: OrderRecord, seen: Evidence) -> Growth:
    """A cancel is over when the broker confirms or refuses it; that it was received says neither."""
    over = seen.state in (OrderState.CONFIRMED, OrderState.CANCELLED, OrderState.REJECTED)
    stage = Stage.CLOSED if over or record.stage is Stage.CLOSED else Stage.ACCEPTED
    merged = replace(
        record,
        facts=_with(record.facts, closed=stage is Stage.CLOSED),
        stage=stage,
        rejected=record.rejected or (seen.rejected and record.stage is not Stage.CLOSED),
        absences=0,
    )
    return Growth(merged, closed=stage is Stage.CLOSED and record.stage is not Stage.CLOSED)


def _with(facts: OrderFacts, **changes: object) -> OrderFacts:
    if all(getattr(facts, name) == value for name, value in changes.items()):
        return facts
    return facts.model_copy(update=changes)
