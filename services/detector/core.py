"""The detector's core: from quotes to intents, whatever the trading state is.

It measures and it speaks. It speaks once for one pair of quotes, when the cross has stood for the least time
that the threshold asks, at a tick where no new quote comes. It never speaks outside the entry window, on a
book that is old or of another connection, while a pair of that symbol is open, while an intent awaits its
verdict, or while the symbol cools down. An intent grants nothing: risk decides.
"""

from services.contracts.envelope import Message
from services.contracts.in_force import book_ticks
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.market_data import QuoteUpdated, TradePrinted
from services.contracts.messages.pairs import PairApproved, PairClosed, PairDenied
from services.contracts.step import Event, Outgoing, Received, Step, Tick
from services.contracts.terms import MovedLast, Symbol, Venue
from services.detector import ghosts
from services.detector.conditions import MARKET, SPEECH, missing
from services.detector.crosses import kept_back, measured
from services.detector.intents import figures, intent_id_of, intent_of
from services.detector.refused import watched
from services.detector.spreads import status_of
from services.detector.state import DetectorState, OpenPair, Said
from services.market.books import Legs, legs_of, seen, with_book
from services.market.crossed_markets import Direction, after_book, age_and_mover, while_trading
from services.market.edge import Edge


def decide(state: DetectorState, event: Event) -> Step[DetectorState]:
    """Take in one event; return the new state with intents, ended crosses, alerts and the status."""
    if isinstance(event, Tick):
        return _on_tick(state, event.now_ns)
    message = event.message
    if isinstance(message, QuoteUpdated):
        return _on_quote(state, event, message)
    if isinstance(message, TradePrinted):
        return Step(state)
    after = _after(state, message)
    if not isinstance(message, PairClosed):
        return Step(after)
    return Step(after, tuple(map(Outgoing, ghosts.told(state, after, message.closed_at_ns))))


def _after(state: DetectorState, message: Message) -> DetectorState:
    match message:
        case ReferencePublished(reference=reference, reference_hash=reference_hash):
            state = state.but(reference=reference, reference_hash=reference_hash)
        case PairApproved():
            state = _on_approved(state, message)
        case PairDenied(symbol=symbol, intent_id=intent_id, decided_at_ns=decided_at_ns):
            state = _settled(state, symbol, intent_id, decided_at_ns)
        case PairClosed():
            state = _on_closed(state, message)
        case _:
            venue = state.venue.after(message)
            if venue is not state.venue:
                crossed = while_trading(state.crossed, state.reference, venue)
                state = state.but(venue=venue, crossed=crossed)
    return state


def _on_quote(state: DetectorState, event: Received, quote: QuoteUpdated) -> Step[DetectorState]:
    ticks = book_ticks(state.reference, quote.symbol, quote.venue)
    books = with_book(state.books, seen(event, quote), ticks, state.venue.band(quote.symbol))
    if books is state.books:
        return Step(state)
    crossed = after_book(
        state.crossed,
        state.books,
        books,
        (quote.symbol, quote.venue),
        state.reference,
        state.venue,
        event.now_ns,
    )
    skipped = state.quotes_skipped + _skipped(state, quote)
    state = state.but(books=books, crossed=crossed, quotes=state.quotes + 1, quotes_skipped=skipped)
    state = ghosts.after_book(state, (quote.symbol, quote.venue.other))
    as_of_ns = min(event.now_ns, event.envelope.ts_event_ns)
    return _look(state, [(quote.symbol, venue) for venue in Venue], event.now_ns, as_of_ns)


def _skipped(state: DetectorState, quote: QuoteUpdated) -> int:
    """How many frames of this book were published and not read."""
    known = state.books.get((quote.symbol, quote.venue))
    if known is None or known.quote.connection_epoch != quote.connection_epoch:
        return 0
    return max(0, quote.feed_seq - known.quote.feed_seq - 1 - quote.conflated)


def _on_tick(state: DetectorState, now_ns: int) -> Step[DetectorState]:
    """Look again at open crosses: a gate may have closed them, or a cooldown may be over."""
    found = watched(state, now_ns)
    step = _look(found.state, list(state.crosses), now_ns, now_ns)
    step = Step(step.state, (*found.out, *step.out))
    if now_ns - step.state.status_at_ns < HEARTBEAT_MS * NS_PER_MS:
        return step
    status = Outgoing(status_of(step.state, now_ns))
    return Step(step.state.but(status_at_ns=now_ns), (*step.out, status))


def _look(
    state: DetectorState, directions: list[Direction], now_ns: int, as_of_ns: int
) -> Step[DetectorState]:
    """Look at directions. A cross is as old as its frames say: after one, later ones may wait to be read."""
    out: list[Outgoing] = []
    for direction in directions:
        step = _look_one(state, direction, now_ns, as_of_ns)
        state = step.state
        out += step.out
    return Step(state, tuple(out))


def _look_one(state: DetectorState, direction: Direction, now_ns: int, as_of_ns: int) -> Step[DetectorState]:
    symbol, buy_venue = direction
    legs = legs_of(state.books, symbol, buy_venue)
    if direction not in state.crosses and (legs is None or not _touching(legs)):
        return Step(state)
    if legs is None and state.venue.both_continuous:
        return Step(state)  # a cross from before a restart: its books have not both been read yet
    edge, cross = None, age_and_mover(state.crossed, direction, as_of_ns)
    if legs is not None and state.reference is not None:
        there = missing(MARKET, state, symbol, legs, now_ns) is None
        edge = figures(state.reference, symbol, legs, cross[1]) if there else None
    step = measured(state, direction, edge, now_ns)
    if legs is None or edge is None:
        return step
    spoken = _speak(step.state, symbol, legs, edge, cross, now_ns)
    return Step(spoken.state, (*step.out, *spoken.out))


def _touching(legs: Legs) -> bool:
    """Whether the bid lies above the ask: the cheap question that most quotes end at."""
    asks, bids = legs.buy.quote.asks, legs.sell.quote.bids
    return bool(asks and bids) and bids[0][0] > asks[0][0]


def _speak(
    state: DetectorState, symbol: Symbol, legs: Legs, edge: Edge, cross: tuple[int, MovedLast], now_ns: int
) -> Step[DetectorState]:
    reference = state.reference
    if reference is None or edge.beyond_ceiling(reference.limits):
        return Step(state)
    threshold = reference.threshold_of(symbol, cross[1])
    if not edge.reaches(reference.limits, threshold):
        return Step(state)
    if missing(SPEECH, state, symbol, legs, now_ns) is not None:
        return Step(state)
    known = state.said.get(symbol, Said())
    if known.intent_id == intent_id_of(legs):
        return Step(state)
    too_young = cross[0] < threshold.min_cross_ms
    state = kept_back(state, (symbol, legs.buy_venue), too_young=too_young)
    if too_young:
        return Step(state)
    intent = intent_of(reference, state.reference_hash, symbol, legs, edge, cross, now_ns)
    said = Said(
        intent_id=intent.intent_id,
        expires_at_ns=intent.expires_at_ns,
        verdict_due=True,
        settled_at_ns=known.settled_at_ns,
    )
    state = state.but(said={**state.said, symbol: said}, intents=state.intents + 1)
    return Step(state, (Outgoing(intent, correlation_id=intent.intent_id),))


def _on_approved(state: DetectorState, approved: PairApproved) -> DetectorState:
    pair = OpenPair(symbol=approved.symbol, trading_date=approved.trading_date, buy_venue=approved.buy_venue)
    opened: DetectorState = state.but(pairs={**state.pairs, approved.pair_id: pair})
    return _settled(opened, approved.symbol, approved.intent_id, approved.approved_at_ns)


def _on_closed(state: DetectorState, closed: PairClosed) -> DetectorState:
    pair = state.pairs.get(closed.pair_id)
    if pair is None:
        return state
    left = {pair_id: open_pair for pair_id, open_pair in state.pairs.items() if pair_id != closed.pair_id}
    state = state.but(pairs=left)
    if closed.trip:
        state = state.but(trips=state.trips.plus(pair.symbol, pair.trading_date))
    if closed.sold_at_rich_shares:
        taken = dict.fromkeys(pair.directions, closed.closed_at_ns)
        state = state.but(taken_ns={**state.taken_ns, **taken})
    state = ghosts.after_close(state, pair, closed)
    return _settled(state, closed.symbol, "", closed.closed_at_ns)


def _settled(state: DetectorState, symbol: Symbol, intent_id: str, at_ns: int) -> DetectorState:
    """A verdict or a close of `symbol` at `at_ns`: it cools down from then on."""
    known = state.said.get(symbol, Said())
    said = Said(
        intent_id=known.intent_id,
        expires_at_ns=known.expires_at_ns,
        verdict_due=known.verdict_due and known.intent_id != intent_id,
        settled_at_ns=max(known.settled_at_ns, at_ns),
    )
    settled: DetectorState = state.but(said={**state.said, symbol: said})
    return settled
