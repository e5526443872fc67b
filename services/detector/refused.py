"""Tells of a book that has been none for seconds while its venue trades, and when it is one again.

An auction shows itself in its book. One that was announced, or that stands in the timetable, is nobody's
news; of one that was not only the book speaks.
"""

from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised, Fact
from services.contracts.messages.market_data import RefusedBook
from services.contracts.step import Outgoing, Step
from services.contracts.terms import Severity, Symbol, Venue
from services.detector.state import DetectorState

TOLD_AFTER_MS: Final = 5_000
Book = tuple[Symbol, Venue]


def watched(state: DetectorState, now_ns: int) -> Step[DetectorState]:
    """Look at all books: how long one has been none, what is to be told of it, and what is over."""
    refusals = {book: seen.quote.refused for book, seen in state.books.items()}
    now = {
        book: refused
        for book, refused in refusals.items()
        if refused is not None and _should_trade(state, book)
    }
    since_ns = {book: state.refused_ns.get(book, now_ns) for book in now}
    due = {book for book in now if now_ns - since_ns[book] >= TOLD_AFTER_MS * NS_PER_MS}
    unseen = {book for book in state.refused_told - state.books.keys() if _should_trade(state, book)}
    told = due | (state.refused_told & (now.keys() | unseen))
    if since_ns != state.refused_ns:
        state = state.but(refused_ns=since_ns)
    if told == state.refused_told:
        return Step(state)
    out = [_alert(book, now[book]) for book in sorted(told - state.refused_told)]
    out += [_alert(book, None) for book in sorted(state.refused_told - told)]
    return Step(state.but(refused_told=frozenset(told)), tuple(Outgoing(alert) for alert in out))


def _should_trade(state: DetectorState, book: Book) -> bool:
    """Whether the venue matches the symbol continuously now, as far as anybody has said."""
    symbol, venue = book
    phase = state.venue.phases.get(venue)
    entry = None if state.reference is None else state.reference.entry(symbol)
    return (
        state.venue.ready
        and phase is not None
        and phase.matches_continuously
        and entry is not None
        and entry.group == state.group
        and not any(halt.venue is venue for halt in state.venue.halts.get(symbol, ()))
    )


def _alert(book: Book, refused: RefusedBook | None) -> AlertRaised:
    """The alert of a book that is none, or that it is over (None)."""
    symbol, venue = book
    facts: dict[str, Fact] = {"symbol": symbol, "venue": venue.value}
    if refused is not None:
        facts |= {"limit": TOLD_AFTER_MS, "trouble": refused.trouble.value}
        facts |= {"bid": _best(refused.bids), "ask": _best(refused.asks)}
    return raised(
        AlertCode.BOOK_REFUSED,
        f"refused-{symbol}-{venue}",
        Severity.INFO if refused is None else Severity.WARNING,
        facts,
        symbol=symbol,
        resolved=refused is None,
    )


def _best(levels: tuple[tuple[int, int], ...]) -> Fact:
    return levels[0][0] if levels else "-"
