"""The trading lease: entries are sent only while risk renews it."""

from services.contracts.envelope import Message
from services.contracts.terms import TradingState


class LeaseRenewed(Message):
    """Good for `LEASE_MS` from the id that Redis gave this entry, not from when it is read."""

    state: TradingState
    risk_epoch: int
    reference_hash: str
