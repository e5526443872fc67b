"""Whether books of each venue keep coming while it trades, and the alert where they do not.

Owns that a feed that stays away is told, whether it fell silent, did not come back after a
pause or never came.
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.venue_state import ConnectionState, FeedLivenessChanged
from services.contracts.terms import Severity, Venue
from services.gateway.book_feed import silent_venues
from services.gateway.facts import Clocked
from services.gateway.turn import Turn

FIRST_BOOK_NS = 30 * NS_PER_S
"""A venue that opens, or a new connection, has so long for its first book."""


def look(turn: Turn, fact: Clocked) -> None:
    """A feed is alive while books of a venue that trades keep coming."""
    if not turn.state.registered:
        return
    trading = turn.state.session.continuous
    silence_ns = turn.state.settings.feed_silence_ms * NS_PER_MS
    silent = silent_venues(fact.last_book_ns, turn.now_ns, silence_ns, trading)
    _due_since(turn, trading)
    for venue in Venue:
        before = turn.state.rhythm.alive.get(venue, False)
        alive = venue in trading and venue not in silent
        if alive is not before:
            _changed(turn, venue, alive=alive, last_ns=fact.last_book_ns.get(venue, 0))
        if alive and not before:
            _tell(turn, venue, silent=False)
        elif venue in silent and (before or _stays_away(turn, venue)):
            _ring(turn, venue)


def _due_since(turn: Turn, trading: frozenset[Venue]) -> None:
    """Note since when each venue has traded in a session that is ready: from then on its books are due."""
    rhythm = turn.state.rhythm
    due = trading if turn.state.link.state is ConnectionState.READY else frozenset[Venue]()
    since = {venue: rhythm.books_due_ns.get(venue, turn.now_ns) for venue in sorted(due)}
    if since != rhythm.books_due_ns:
        turn.set(rhythm=replace(rhythm, books_due_ns=since))


def _stays_away(turn: Turn, venue: Venue) -> bool:
    since_ns = turn.state.rhythm.books_due_ns.get(venue)
    return since_ns is not None and turn.now_ns - since_ns >= FIRST_BOOK_NS


def _changed(turn: Turn, venue: Venue, *, alive: bool, last_ns: int) -> None:
    turn.set(rhythm=replace(turn.state.rhythm, alive={**turn.state.rhythm.alive, venue: alive}))
    turn.say(FeedLivenessChanged(venue=venue, alive=alive, last_event_ns=last_ns))


def _ring(turn: Turn, venue: Venue) -> None:
    """Ring once for each silence; what befalls a connection that is not ready has an alert of its own."""
    if venue not in turn.state.rhythm.feeds_told and turn.state.link.state is ConnectionState.READY:
        _tell(turn, venue, silent=True)


def _tell(turn: Turn, venue: Venue, *, silent: bool) -> None:
    """Tell of a silence or of its end, also of one that the process before told of."""
    told = turn.state.rhythm.feeds_told
    turn.set(rhythm=replace(turn.state.rhythm, feeds_told=told | {venue} if silent else told - {venue}))
    turn.alert(
        f"feed-{venue}", AlertCode.FEED_SILENT, Severity.WARNING,
        {"venue": venue.value, "silence": turn.state.settings.feed_silence_ms}, resolved=not silent,
    )  # fmt: skip
