"""Whether books keep coming while their venue trades, and the alert where they do not.

Owns that a feed that stays away is told, whether it fell silent, did not come back after a
pause or never came, and that a single code without a frame is registered again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.venue_state import ConnectionState, FeedLivenessChanged
from services.contracts.terms import Severity, Symbol, Venue
from services.gateway.book_feed import silent_venues
from services.gateway.effects import Register
from services.gateway.facts import Clocked
from services.gateway.feed_desk import book_frame_fids, stands_still
from services.gateway.subscriptions import Unheard
from services.gateway.turn import Turn
from services.market.symbols import parse_feed_code

FIRST_BOOK_NS = 30 * NS_PER_S
"""A venue that opens, or a new connection, has so long for its first book."""
LISTEN_NS = NS_PER_S
"""Codes without a frame are looked for this often."""
UNHEARD_NS = 60 * NS_PER_S
"""A code without a frame is told after this long, about four registrations."""


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


def listen(turn: Turn, fact: Clocked) -> None:
    """Register again each code of which no frame came since its venue trades, while others' frames do."""
    rhythm = turn.state.rhythm
    if fact.heard_ns is None or turn.now_ns - rhythm.listened_ns < LISTEN_NS:
        return
    pause_ns = turn.state.settings.feed_silence_ms * NS_PER_MS
    unheard: dict[str, Unheard] = {}
    for screen, code in _silent_codes(turn, fact.heard_ns):
        one = rhythm.unheard.get(code) or Unheard.noticed(turn.now_ns, pause_ns)
        if turn.now_ns >= one.again.again_ns and not stands_still(turn):
            turn.do(Register(screen, (code,), book_frame_fids(turn.state.settings), adds=True))
            one = replace(one, again=one.again.asked(turn.now_ns))
        unheard[code] = one
    turn.set(rhythm=replace(turn.state.rhythm, listened_ns=turn.now_ns, unheard=unheard))
    for venue, alive in rhythm.alive.items():
        if alive:
            _tell_unheard(turn, venue)


def _silent_codes(turn: Turn, heard_ns: Mapping[tuple[Symbol, Venue], int]) -> Iterator[tuple[str, str]]:
    """Yield (screen, code) of what is registered, trades and was not heard of. A halted book says nothing."""
    state = turn.state
    for item in state.registered:
        for code in item.codes:
            symbol, venue = parse_feed_code(code)
            due_ns = state.rhythm.books_due_ns.get(venue)
            if due_ns is None or not state.rhythm.alive.get(venue) or state.halts.halted(symbol, venue):
                continue
            if heard_ns.get((symbol, venue), 0) < due_ns:
                yield item.screen, code


def _tell_unheard(turn: Turn, venue: Venue) -> None:
    """Tell once of codes that stay silent, and once that all are heard, also after a restart."""
    rhythm = turn.state.rhythm
    of_venue = {code: one for code, one in rhythm.unheard.items() if parse_feed_code(code)[1] is venue}
    silent = sorted(c for c, one in of_venue.items() if turn.now_ns - one.since_ns >= UNHEARD_NS)
    told = venue in rhythm.books_told
    if bool(silent) is told:
        return
    books_told = rhythm.books_told | {venue} if silent else rhythm.books_told - {venue}
    turn.set(rhythm=replace(rhythm, books_told=books_told))
    turn.alert(
        f"books-{venue}", AlertCode.BOOKS_SILENT, Severity.WARNING,
        {"venue": venue.value, "codes": ", ".join(silent)}, resolved=not silent,
    )  # fmt: skip
