"""Decisions of people and of risk: each with who and why."""

from pydantic import Field

from services.contracts.envelope import Message, Part
from services.contracts.in_force import Reference
from services.contracts.terms import Latch, Symbol, TradingState


class TradingStateRequested(Message):
    """A person asks for a state. A halt is obeyed by the gateway at once, without risk."""

    target: TradingState
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class TradingStateChanged(Message):
    """The state in force. Only risk says so. `latches` still hold; `gates` close by themselves."""

    state: TradingState
    by: str
    reason: str
    latches: tuple[Latch, ...]


class ArmRefused(Message):
    """`arb arm` was not obeyed; `problems` says why, a sentence each."""

    by: str
    problems: tuple[str, ...]


class LatchSet(Message):
    latch: Latch
    detail: str


class LatchClearRequested(Message):
    latch: Latch
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class LatchCleared(Message):
    latch: Latch
    by: str
    reason: str


class ReferencePublished(Message):
    """Symbol map, costs and limits in force, with their hash: what all services compute with.

    `notes` say what of the files is not in force as it stands there, a sentence each.
    """

    reference: Reference
    reference_hash: str
    by: str
    reason: str
    notes: tuple[str, ...] = ()


class LimitChangeRequested(Message):
    """A person asks to change one limit; `value` is its text, bounded by the hard ceilings."""

    name: str
    value: str
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class LimitProposal(Part):
    """A change that allows more than holds now: it waits for a second person until `expires_at_ns`."""

    proposal_id: str
    name: str
    value: str
    before: str
    by: str
    reason: str
    expires_at_ns: int


class LimitChangeProposed(Message):
    """The answer to a request that loosens: nothing has changed yet."""

    proposal: LimitProposal


class LimitConfirmRequested(Message):
    """A second person stands by a proposal; the one who made it cannot."""

    proposal_id: str
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class LimitProposalExpired(Message):
    """Nobody confirmed it in time: what held before still holds."""

    proposal: LimitProposal


class LimitChangeRefused(Message):
    name: str
    value: str
    by: str
    problem: str


class ReferenceReloadRequested(Message):
    """Read the symbol map, costs and limits again from the owner's files."""

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class ComparisonRequested(Message):
    """Compare orders, holdings and cash with the broker's: somebody's memory of them may have a gap."""

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class FlattenRequested(Message):
    """Sell what open pairs hold now, also in a halt. Empty `symbol` means all."""

    symbol: str = ""
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class ResidualClaimed(Message):
    """A person sold a stranded position by hand, wholly, for `amount_krw` after costs.

    No shares where it was not certain what the pair held, and it held none.
    """

    pair_id: str
    qty_shares: int = Field(ge=0)
    amount_krw: int = Field(ge=0)
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class SymbolPauseRequested(Message):
    """Pause or resume one symbol; a resume says whose the unknown order was."""

    symbol: Symbol
    paused: bool
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class AlertAcknowledged(Message):
    alert_id: str
    by: str = Field(min_length=1)
    reason: str = ""
