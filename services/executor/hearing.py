"""How each message is taken in: facts are merged, and the pairs it touches are named.

Nothing is decided here but what a message means. Hearing one twice changes nothing the second time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from services.contracts.envelope import Message
from services.contracts.in_force import book_ticks
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import (
    ReferencePublished,
    StopRequested,
    StopTaken,
    TradingStateChanged,
)
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.orders import (
    AccountReported,
    CommandDenied,
    ForeignOrderSeen,
    OrderFacts,
    OrderFilled,
)
from services.contracts.messages.pairs import PairApproved, PairOutcome, StrandReason
from services.contracts.messages.status import KeysVanished
from services.contracts.messages.venue_state import EntryWindowChanged
from services.contracts.reasons import GateReason
from services.contracts.step import Received
from services.contracts.streams import ORDERS, key_of
from services.contracts.terms import Side, Symbol, TradingDate
from services.contracts.trading_word import TradingWord
from services.executor import notices
from services.executor.closed_pair import ClosedPair, brought_back, reopened
from services.executor.closing import closing_statement
from services.executor.order import Order, OrderEvent, adopted
from services.executor.pair import Pair
from services.executor.phases import Evidence, PairPhase
from services.executor.state import ExecutorState
from services.executor.stranded import strand
from services.market.books import seen, with_book
from services.market.crossed_markets import after_book, while_trading

ACCOUNT_TOLD_NS: Final = 5 * NS_PER_S
"""A report of the account that is told so long after an order ended was asked for after it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The state with a message taken in, the ids of the pairs to look at again, and what is said of it."""

    state: ExecutorState
    touched: tuple[str, ...] = ()
    said: tuple[Message, ...] = ()


Hearer = Callable[[ExecutorState, Received], Heard]


# -- the market -----------------------------------------------------------------------------


def quote(state: ExecutorState, event: Received) -> Heard:
    message = event.message
    assert isinstance(message, QuoteUpdated)
    ticks = book_ticks(state.reference, message.symbol, message.venue)
    books = with_book(state.books, seen(event, message), ticks, state.venues.band(message.symbol))
    changed = (message.symbol, message.venue)
    crossed = after_book(
        state.crossed, state.books, books, changed, state.reference, state.venues, event.now_ns
    )
    touched = tuple(pair_id for pair_id, pair in state.pairs.items() if pair.symbol == message.symbol)
    return Heard(state.but(books=books, crossed=crossed), touched)


def venue(state: ExecutorState, event: Received) -> Heard:
    venues = state.venues.after(event.message)
    crossed = while_trading(state.crossed, state.reference, venues)
    return Heard(state.but(venues=venues, crossed=crossed), tuple(state.pairs))


def window(state: ExecutorState, event: Received) -> Heard:
    """A sweep asks for every order to be cancelled before a pause; one that rests for an auction stays."""
    message = event.message
    assert isinstance(message, EntryWindowChanged)
    heard = venue(state, event)
    if not message.sweep:
        return heard
    pairs = {pair_id: _swept(pair, event.now_ns) for pair_id, pair in state.pairs.items()}
    return Heard(heard.state.but(pairs=pairs), heard.touched)


def _swept(pair: Pair, now_ns: int) -> Pair:
    for order_ in pair.open_orders:
        if order_.cancel_at_ns is not None and order_.cancel_at_ns > now_ns and not order_.cancels:
            pair = pair.with_order(order_.but(cancel_at_ns=now_ns))
    return pair


# -- pairs ----------------------------------------------------------------------------------


def approved(state: ExecutorState, event: Received) -> Heard:
    """A new pair. One that is known is not begun again; one whose symbol is taken is closed at once, and so
    is one that risk had approved before it read a person's pause, which travels ahead of it."""
    approval = event.message
    assert isinstance(approval, PairApproved)
    if approval.pair_id in state.pairs or approval.pair_id in state.closed:
        return Heard(state)
    paused = state.paused.get(approval.symbol, "")
    pair = Pair(approval=approval, opened_at_ns=event.now_ns, stopping=paused)
    if any(other.symbol == approval.symbol for other in state.pairs.values()):
        closed = closing_statement(pair, event.now_ns, PairOutcome.STOPPED)
        return Heard(state.without_pair(pair), said=(closed,))
    return Heard(state.with_pair(pair), (pair.pair_id,))


# -- orders ---------------------------------------------------------------------------------


def order(state: ExecutorState, event: Received) -> Heard:
    """Merge what is told of one of our orders; a fill that no open pair knows goes to a person."""
    message = event.message
    assert isinstance(message, OrderEvent)
    pair = state.pairs.get(message.facts.pair_id)
    if pair is None:
        return _stray(state, message, event.now_ns)
    known = pair.order(message.facts.order_id)
    if known is None:
        known = adopted(message.facts, event.now_ns)
        if known is None:
            return Heard(state)
        pair = pair.but(stopping=pair.stopping or "an order was found that our state had lost")
    merged = known.merged(message, event.now_ns)
    merged, said = _told(pair, known, merged)
    return Heard(state.with_pair(pair.with_order(merged).heard(merged)), (pair.pair_id,), said)


def _told(pair: Pair, before: Order, after: Order) -> tuple[Order, tuple[Message, ...]]:
    """Take back the alarm about an order that is known again."""
    known_again = after.life.ended or (before.life.doubtful and not after.life.doubtful)
    if not (before.warned and known_again):
        return after, ()
    return after.but(warned=False), (notices.order_known(pair, after),)


def _stray(state: ExecutorState, message: OrderEvent, now_ns: int) -> Heard:
    """News of an order whose pair is not open: the pair takes up responsibility for it again."""
    facts = message.facts
    closed = state.closed.get(facts.pair_id)
    if closed is None:
        return _of_no_pair(state, message, now_ns)
    if not closed.is_news(message):
        return restated(state, facts.pair_id, closed, closed.with_facts(facts))
    if closed.claimed or not _of_today(state, facts):
        why = "a person had claimed its pair" if closed.claimed else "its pair was closed on an earlier day"
        heard = restated(state, facts.pair_id, closed, closed.with_facts(facts))
        return replace(heard, said=(*heard.said, notices.fill_of_no_pair(facts, why)))
    pair = reopened(facts.pair_id, closed, facts, now_ns)
    known = pair.order(facts.order_id) or adopted(facts, now_ns)
    if known is None:
        return Heard(state)
    pair = pair.with_order(known.merged(message, now_ns))
    return Heard(state.with_pair_again(pair), (pair.pair_id,), (notices.pair_reopened(pair, facts),))


def restated(state: ExecutorState, pair_id: str, before: ClosedPair, heard: ClosedPair) -> Heard:
    """News of a pair that stays closed: a statement that is made anew replaces those before.

    One that would count shares as lost which a person has yet to claim is not made.
    """
    if heard is before:
        return Heard(state)
    after = heard if heard.unclaimed_shares else heard.restated()
    said = () if after.statement is None or after is heard else (after.statement,)
    return Heard(state.with_closed(pair_id, after), said=said)


def _of_no_pair(state: ExecutorState, message: OrderEvent, now_ns: int) -> Heard:
    """Redis forgot the approval and all that followed, the gateway did not: an order brings its pair back.

    What it holds is flattened and the pair is closed with its money. The gateway tells all orders again
    after such a loss: nothing is sold before those had their time, and a sale whose purchase is not told in
    it is a stranded position (`core.advance`). What an order cost that is over brings no pair back.
    """
    facts = message.facts
    if isinstance(message, OrderFilled) and not message.last_qty_shares and facts.closed:
        return Heard(state)
    order_ = adopted(facts, now_ns)
    if order_ is None or not _of_today(state, facts):
        if not isinstance(message, OrderFilled):
            return Heard(state)
        return Heard(state, said=(notices.fill_of_no_pair(facts, "its pair is not known here"),))
    order_ = order_.merged(message, now_ns)
    if not (order_.open or order_.cum_qty_shares):
        return Heard(state)
    pair = brought_back(facts, now_ns).with_order(order_)
    return Heard(state.with_pair(pair), (pair.pair_id,), (notices.pair_recovered(pair, order_),))


def _of_today(state: ExecutorState, facts: OrderFacts) -> bool:
    return _is_today(state, facts.trading_date)


def _is_today(state: ExecutorState, trading_date: TradingDate) -> bool:
    return state.venues.trading_date in ("", trading_date)


def foreign(state: ExecutorState, event: Received) -> Heard:
    """An order that nobody knows pauses its symbol (design 4.5). Who sells by hand is left to it."""
    message = event.message
    assert isinstance(message, ForeignOrderSeen)
    if message.side is Side.SELL and message.trading_date >= state.venues.trading_date:
        for pair in of_symbol(state, message.symbol):
            state = state.with_pair(pair.left_to(message, event.now_ns))
    return paused_pairs(state, message.symbol, f"order {message.broker_order_no} is not ours")


def account(state: ExecutorState, event: Received) -> Heard:
    """Where the account still holds what the pairs of a symbol hold, the sales by hand that ended in it some
    time ago sold nothing of them."""
    report = event.message
    assert isinstance(report, AccountReported)
    if not _is_today(state, report.trading_date):
        return Heard(state)
    touched: list[str] = []
    for symbol, shares in report.holdings.items():
        pairs = of_symbol(state, symbol)
        if shares < sum(pair.uncovered_shares for pair in pairs):
            continue
        for pair in pairs:
            state = state.with_pair(pair.handed_back(event.now_ns - ACCOUNT_TOLD_NS))
            touched.append(pair.pair_id)
    return Heard(state, tuple(touched))


def of_symbol(state: ExecutorState, symbol: Symbol) -> tuple[Pair, ...]:
    return tuple(pair for pair in state.pairs.values() if pair.symbol == symbol)


def paused_pairs(state: ExecutorState, symbol: Symbol, why: str) -> Heard:
    """No further clip in a paused symbol: risk denies new pairs, an open one ends with what it has bought."""
    paused = [pair for pair in of_symbol(state, symbol) if not pair.stopping]
    for pair in paused:
        state = state.with_pair(pair.but(stopping=why))
    return Heard(state, tuple(pair.pair_id for pair in paused))


def denied(state: ExecutorState, event: Received) -> Heard:
    """The last gate sent nothing, so the order never was; with two exceptions.

    `duplicate` says that the id was used before: whatever became of that is told by other events. The
    refusal of a cancel says nothing of its target, unless it took the target out of the queue.
    """
    message = event.message
    assert isinstance(message, CommandDenied)
    pair = state.pairs.get(message.pair_id)
    target = message.target_order_id
    if pair is None or message.reason is GateReason.DUPLICATE:
        return Heard(state)
    if target and message.reason is not GateReason.REMOVED:
        return Heard(state)
    known = pair.order(target or message.order_id)
    if known is None:
        return Heard(state)
    after = known.after(Evidence.DENIED, event.now_ns)
    after, said = _told(pair, known, after)
    return Heard(state.with_pair(pair.with_order(after)), (pair.pair_id,), said)


def buried(state: ExecutorState, event: Received) -> Heard:
    """An order event was given up: what its pair holds is not known, so it is stranded by name.

    The entry may be unreadable, so a pair is known by its id anywhere in the text. What the next event of
    the order says of it is taken in as ever, and changes the position.
    """
    given_up = event.message
    assert isinstance(given_up, EntryBuried)
    if given_up.stream_key != key_of(ORDERS):
        return Heard(state)
    said: tuple[Message, ...] = ()
    detail = f"an event of its orders could not be taken in, entry {given_up.entry_id}: {given_up.reason}"
    touched = tuple(pair_id for pair_id in state.pairs if _mentions(given_up.text, pair_id))
    for pair_id in touched:
        pair = state.pairs[pair_id]
        pair = pair.unheard(_orders_in(given_up.text, pair))
        move = strand(pair, state.view(pair.symbol, event.now_ns), StrandReason.AMBIGUOUS, detail)
        state, said = state.with_pair(move.pair), said + move.out
    return Heard(state, touched, said)


def _orders_in(text: str, pair: Pair) -> tuple[str, ...]:
    """The orders of a pair that a text names; where it names none, those that are open, else every one."""
    named = re.findall(rf"(?<!\w){re.escape(pair.pair_id)}\.[0-9]+\.[bs]\.[0-9]+(?!\w)", text)
    return tuple(named) or tuple(order.order_id for order in pair.open_orders or pair.orders)


def _mentions(text: str, pair_id: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(pair_id)}(?!\w)", text) is not None


# -- people and risk --------------------------------------------------------------------------


def stop_requested(state: ExecutorState, event: Received) -> Heard:
    """A stop is obeyed before risk confirms it."""
    message = event.message
    assert isinstance(message, StopRequested)
    heard = _obeyed(state, state.trading.after_stop(message, event), event.now_ns)
    return replace(heard, said=(taken(heard.state), *heard.said))


def rolled_back(state: ExecutorState, event: Received) -> Heard:
    """Redis lost what this executor wrote last, and may have lost a stop that risk has not read."""
    message = event.message
    assert isinstance(message, KeysVanished)
    own = message.service == state.settings.SECTION
    stop = state.trading.said_again(message.service) if own else None
    return Heard(state, said=() if stop is None else (stop,))


def state_changed(state: ExecutorState, event: Received) -> Heard:
    message = event.message
    assert isinstance(message, TradingStateChanged)
    return _obeyed(state, state.trading.after_change(message, event), event.now_ns)


def taken(state: ExecutorState) -> StopTaken:
    """Return the word that a stop has been taken in."""
    return StopTaken(service=state.settings.SECTION, state=state.trading.in_force)


def _obeyed(state: ExecutorState, word: TradingWord, now_ns: int) -> Heard:
    """A stop that forbids sells ends what a person had asked to be flattened by then, and says so."""
    pairs = state.pairs
    said: tuple[Message, ...] = ()
    if word.ended_selling(state.trading):
        selling = [p for p in pairs.values() if p.by_person and p.phase is PairPhase.FLATTENING]
        why = "a later stop ended what a person had asked to be sold"
        refusal = f"the trading state is {word.in_force}"
        said = tuple(notices.residual_opened(p, now_ns, why, refusal) for p in selling if p.uncovered_shares)
        pairs = {pair_id: pair.but(by_person=False) for pair_id, pair in pairs.items()}
    return Heard(state.but(trading=word, pairs=pairs), tuple(pairs), said)


def reference(state: ExecutorState, event: Received) -> Heard:
    message = event.message
    assert isinstance(message, ReferencePublished)
    held = (pair.symbol for pair in state.pairs.values())
    in_force = message.reference.keeping(state.reference, held)
    changed = state.but(reference=in_force, reference_hash=message.reference_hash)
    return Heard(changed, tuple(state.pairs))
