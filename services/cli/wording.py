"""What happened, in one sentence a person can read: the same words on the board and as an answer."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from services.contracts.envelope import Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    AlertAcknowledged,
    ArmRefused,
    FlattenRequested,
    FlattenStarted,
    LatchCleared,
    LatchSet,
    LimitChangeProposed,
    LimitChangeRefused,
    LimitProposal,
    LimitProposalExpired,
    ReferencePublished,
    RequestRefused,
    RequestWithdrawn,
    StopRequested,
    SymbolPauseRequested,
    SymbolResumed,
    TradingStateChanged,
)
from services.contracts.messages.dead import EntryRetried
from services.contracts.messages.orders import CommandDenied, OrderRejected, OrderResolved, OrderUnknown
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualMarked, ResidualOpened
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    EntryWindowChanged,
    SessionPhaseChanged,
    SymbolHaltChanged,
)


class Tone(StrEnum):
    """How a sentence is meant: what a screen may show in colour, beside the words that say it."""

    PLAIN = "plain"
    QUIET = "quiet"
    GAIN = "gain"
    LOSS = "loss"
    TROUBLE = "trouble"


def krw(amount: int) -> str:
    """Return whole won, grouped: `1,234,567`."""
    return f"{amount:,}"


def signed_krw(amount: int) -> str:
    """Return whole won with a sign: `+1,234` or `-5`."""
    return f"{amount:+,}" if amount else "0"


def shares(count: int) -> str:
    """Return a number of shares: `1 share`, `12 shares`."""
    return f"{count:,} share" + ("" if count == 1 else "s")


def sentence(message: Message) -> str:
    """Return one sentence about a message, empty for those nobody needs to read as they pass."""
    words = _WORDS.get(type(message))
    return words(message) if words is not None else ""


def tone(message: Message) -> Tone:
    """Return how the sentence about a message is meant."""
    match message:
        case PairClosed(trip=True, realised_pnl_krw=profit):
            return Tone.GAIN if profit >= 0 else Tone.LOSS
        case AlertRaised(resolved=False) | ResidualOpened() | ResidualMarked() | LatchSet():
            return Tone.TROUBLE
        case ArmRefused() | RequestRefused():
            return Tone.TROUBLE
        case PairApproved() | TradingStateChanged() | LatchCleared():
            return Tone.PLAIN
    return Tone.QUIET


def _pair_closed(message: PairClosed) -> str:
    again = " again" if message.closings > 1 else ""
    closed = f"pair {message.symbol} closed{again} {message.outcome}"
    if not message.trip:
        return f"{closed}: nothing filled"
    money = signed_krw(message.realised_pnl_krw)
    mark = " (provisional)" if message.provisional else ""
    return f"{closed}: {message.bought_shares} bought, {message.sold_shares} sold, {money} KRW{mark}"


def _pair_approved(message: PairApproved) -> str:
    return (
        f"pair {message.symbol} approved: buy {message.qty_shares} {message.buy_venue} "
        f"<= {krw(message.buy_limit_krw)}, sell {message.sell_venue} >= {krw(message.sell_limit_krw)}"
    )


def _residual_opened(message: ResidualOpened) -> str:
    return f"residual {message.symbol}: {shares(message.qty_shares)} unsold ({message.reason}), flattening"


def _stranded(message: ResidualMarked) -> str:
    return f"stranded {message.symbol}: {shares(message.qty_shares)}, {message.reason}: {message.detail}"


def _state(message: TradingStateChanged) -> str:
    latches = f"; latched: {', '.join(message.latches)}" if message.latches else ""
    return f"trading is {message.state} (by {message.by}: {message.reason}){latches}"


def _refused(message: ArmRefused) -> str:
    return "arming refused: " + "; ".join(message.problems)


def _reference(message: ReferencePublished) -> str:
    enabled = sum(entry.enabled for entry in message.reference.symbols)
    short = message.reference_hash[:8]
    notes = "".join(f"; {note}" for note in message.notes)
    return f"reference {short} in force: {enabled} symbols ({message.by}: {message.reason}){notes}"


def proposal_words(proposal: LimitProposal) -> str:
    """Say what a proposal would change, and how it is confirmed."""
    return (
        f"{proposal.name} {proposal.before} -> {proposal.value} proposed by {proposal.by}: "
        f"{proposal.reason}; a second person confirms it with `arb limits confirm {proposal.proposal_id}`"
    )


def _rejected(message: OrderRejected) -> str:
    code = f"{message.code} " if message.code else ""
    return f"order {message.facts.order_id} rejected by the broker: {code}{message.text}"


def _flatten_started(message: FlattenStarted) -> str:
    what = ", ".join(message.pair_ids) or "nothing is open"
    return f"selling {message.symbol or 'everything'} (by {message.by}: {message.reason}): {what}"


def _retried(message: EntryRetried) -> str:
    return f"still cannot be taken in: {message.problem}" if message.problem else "is taken in"


def _limit_refused(message: LimitChangeRefused) -> str:
    """A confirmation of what does not wait names no limit."""
    what = f"limit {message.name}={message.value}" if message.name else "it is"
    return f"{what} refused: {message.problem}"


def _window(message: EntryWindowChanged) -> str:
    return f"entries {'open' if message.open else 'closed'} at {message.market_time}: {message.reason}"


def _phase(message: SessionPhaseChanged) -> str:
    return f"{message.venue} {message.phase} at {message.market_time}, by {message.confirmed_by}"


def _halt(message: SymbolHaltChanged) -> str:
    return f"{message.symbol} on {message.venue}: {message.kind} {'began' if message.halted else 'is over'}"


def _connection(message: ConnectionChanged) -> str:
    return f"broker connection is {message.state}" + (f": {message.detail}" if message.detail else "")


def _paused(message: SymbolPauseRequested) -> str:
    return f"{message.symbol} paused by {message.by}: {message.reason}"


def _alert(message: AlertRaised) -> str:
    return f"{message.severity}: {message.title}" + (" (over)" if message.resolved else "")


_WORDS: Final[dict[type[Message], Callable[[Any], str]]] = {
    PairClosed: _pair_closed,
    PairApproved: _pair_approved,
    ResidualOpened: _residual_opened,
    ResidualMarked: _stranded,
    TradingStateChanged: _state,
    ArmRefused: _refused,
    LatchSet: lambda m: f"latch {m.latch} set: {m.detail}",
    LatchCleared: lambda m: f"latch {m.latch} lifted by {m.by}: {m.reason}",
    ReferencePublished: _reference,
    LimitChangeProposed: lambda m: proposal_words(m.proposal),
    LimitProposalExpired: lambda m: f"limit {m.proposal.name}={m.proposal.value} was not confirmed in time",
    LimitChangeRefused: _limit_refused,
    FlattenRequested: lambda m: f"flatten {m.symbol or 'everything'} asked by {m.by}: {m.reason}",
    FlattenStarted: _flatten_started,
    RequestWithdrawn: lambda m: f"{m.by} withdraws a {m.request}",
    StopRequested: lambda m: f"{m.target} asked by {m.by}: {m.reason}",
    RequestRefused: lambda m: f"refused: {m.problem}",
    SymbolPauseRequested: _paused,
    SymbolResumed: lambda m: f"{m.symbol} resumed by {m.by}: {m.reason}",
    AlertAcknowledged: lambda m: f"alert {m.alert_id} acknowledged by {m.by}",
    EntryRetried: lambda m: f"{m.service}: entry {m.entry_id} {_retried(m)}",
    OrderUnknown: lambda m: f"order {m.facts.order_id} unknown: {m.reason}",
    OrderResolved: lambda m: f"order {m.facts.order_id} resolved: {m.resolution} ({m.evidence})",
    OrderRejected: _rejected,
    CommandDenied: lambda m: f"order {m.order_id} denied at the last gate: {m.reason} {m.detail}".rstrip(),
    SessionPhaseChanged: _phase,
    EntryWindowChanged: _window,
    SymbolHaltChanged: _halt,
    ConnectionChanged: _connection,
    AlertRaised: _alert,
}
