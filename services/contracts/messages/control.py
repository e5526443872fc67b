"""Decisions of people and of risk: each with who and why."""

from pydantic import Field

from services.contracts.envelope import Message, Part
from services.contracts.in_force import Reference
from services.contracts.terms import Latch, Symbol, TradingState


class StopRequested(Message):
    """A person stops: where `target` does not allow less than what is in force, nothing changes.

    Gateway and executor obey it at once, without risk, and hold it until risk has taken this very stop in
    and says a state that allows more. It never expires and needs no count.

    The gateway asks for one where a person lays a HALT file beside it or removes it: `halt_file` names what
    lies there now, empty where nothing does. A stop of anybody else says nothing of it (None).
    """

    target: TradingState
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    halt_file: str | None = None


class StopTaken(Message):
    """A process obeys the stop that caused this word, also where it changes nothing there.

    Of the gateway it is the word of the thread that sends orders. `name` tells one gateway from another and
    is empty elsewhere, `state` is what is in force there now. Risk answers with `TradingStateChanged`.
    """

    service: str
    name: str = ""
    state: TradingState


class HaltFileSeen(Message):
    """An earlier build's word of a HALT file beside the gateway. Today the gateway asks for a stop."""

    by: str
    reason: str


class TradingStateRequested(Message):
    """A person asks for a state that allows more than what is in force.

    `stop_count` is the count that this person was shown before deciding. Risk refuses another one, and so
    every request of a build that carries none (-1).
    """

    target: TradingState
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    stop_count: int = -1


class HaltLiftRequested(Message):
    """A person ends the halt: the desk is disarmed then. Nothing else ends one."""

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    stop_count: int


class Stopped(Part):
    """What raised the stop count last: who, why and when (Redis time). `what` is said of that person:
    `halted`, `paused 005930`."""

    by: str
    reason: str
    what: str
    at_ns: int


class TradingStateChanged(Message):
    """The state in force. Only risk says so. `latches` still hold; `gates` close by themselves.

    `stop_count` rises with everything that stops. `stop_id` is the message id of the last `StopRequested`
    that risk had taken in: one that came after it holds on. Both travel in one stream, so its readers have
    read every stop that risk had.
    """

    state: TradingState
    by: str
    reason: str
    latches: tuple[Latch, ...]
    stop_count: int = 0
    stop_id: str = ""
    last_stop: Stopped | None = None


class RequestRefused(Message):
    """A request that allows more was not obeyed. `request` is its type, `problem` the cause in a sentence."""

    request: str
    by: str
    problem: str


class RequestWithdrawn(Message):
    """A person takes back a request that allows or trades: `request` is its type, `request_id` its id.

    It travels with the stops, so that its owner reads it before a request that waits.
    """

    request: str
    request_id: str
    by: str = Field(min_length=1)


class WithdrawalTaken(Message):
    """The owner has read a withdrawal. `decided`: the request had been decided before, and its answer counts;
    else it will never be obeyed."""

    request: str
    request_id: str
    by: str
    decided: bool


class ArmingCheckRequested(Message):
    """A person asks risk whether arming would be obeyed now. Nothing changes by it."""

    by: str = Field(min_length=1)


class ArmingChecked(Message):
    """Risk's answer to it; `problems` says what would refuse the arming, a sentence each."""

    by: str
    problems: tuple[str, ...]


class ArmRefused(Message):
    """`arb arm` was not obeyed; `problems` says why, a sentence each."""

    by: str
    problems: tuple[str, ...]


class LatchSet(Message):
    latch: Latch
    detail: str


class LatchClearRequested(Message):
    """A person lifts a latch. `stop_count` is the count that this person was shown."""

    latch: Latch
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    stop_count: int = -1


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
    """A person asks to change one limit; `value` is its text, bounded by the hard ceilings.

    `stop_count` is the count that this person was shown; a change that only tightens needs none.
    """

    name: str
    value: str
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    stop_count: int = -1


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
    """A second person stands by a proposal; the one who made it cannot. `stop_count` is what was shown."""

    proposal_id: str
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    stop_count: int = -1


class LimitProposalExpired(Message):
    """Nobody confirmed it in time: what held before still holds."""

    proposal: LimitProposal


class LimitChangeRefused(Message):
    name: str
    value: str
    by: str
    problem: str


class ReferenceReloadRequested(Message):
    """Read the symbol map, costs and limits again from the owner's files.

    It needs no stop count: risk reads the files by itself as well, and while the desk may trade it leaves
    what allows more as it was.
    """

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


class FlattenStarted(Message):
    """The executor obeys a `FlattenRequested`: from now on it sells what `pair_ids` hold.

    The gateway lets those sells pass for as long as no stop that came after the request forbids them.
    `asked_ns` is when Redis took the request.
    """

    symbol: str
    by: str
    reason: str
    asked_ns: int
    pair_ids: tuple[str, ...] = ()


class StateMovedAside(Message):
    """A person let a service begin anew: what it had stored is kept under `key`."""

    service: str
    key: str
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
    """Pause one symbol. (An earlier build resumed one with `paused` false: that is not obeyed any more.)"""

    symbol: Symbol
    paused: bool = True
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class SymbolResumeRequested(Message):
    """Let a paused symbol trade again; the reason says whose the unknown order was. `stop_count` is what
    this person was shown."""

    symbol: Symbol
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    stop_count: int


class SymbolResumed(Message):
    """Risk obeyed it: the symbol is paused no more, and what its unknown orders left open is not theirs."""

    symbol: Symbol
    by: str
    reason: str


class AlertAcknowledged(Message):
    alert_id: str
    by: str = Field(min_length=1)
    reason: str = ""
