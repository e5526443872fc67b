"""What is registered with the control: which symbols have a feed, when registrations stand still, and what
becomes of one that is refused.

Owns that a symbol of which something waits, works or is held has its feed, and that whatever was not
registered when it was due is registered as soon as it may be.
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Severity, Symbol, Venue
from services.gateway.book_feed import book_fids
from services.gateway.effects import Register, Unregister
from services.gateway.screens import SESSION_SCREEN
from services.gateway.settings import GatewaySettings
from services.gateway.subscriptions import Refused, changes, chosen, plan
from services.gateway.turn import Turn
from services.market.broker_lists import SESSION_FRAME, TRADE_FRAME
from services.market.dates import time_of_day_ns
from services.market.symbols import feed_code

SESSION_FIDS = tuple(SESSION_FRAME)
_TRADE_FIDS = tuple(TRADE_FRAME)
BLANK_NS = 2 * NS_PER_S
"""An answer that the control or the broker leaves blank counts when it has been so for this long."""
NXT_LIST = Symbol("")
"""Stands for the list of NXT among what is blank."""


def symbols_of(turn: Turn) -> tuple[Symbol, ...]:
    """All symbols of the map; those switched off may still hold something to sell."""
    reference = turn.state.reference
    return () if reference is None else tuple(entry.krx_code for entry in reference.symbols)


def subscribe(turn: Turn) -> None:
    """Bring the registrations in line with the symbols whose turn it is."""
    reference, settings = turn.state.reference, turn.state.settings
    connected_ = turn.state.link.state in (ConnectionState.SYNCHRONISING, ConnectionState.READY)
    if reference is None or not connected_:
        return
    still = stands_still(turn) and (bool(turn.state.registered) or not _venues_known(turn))
    turn.set(rhythm=replace(turn.state.rhythm, feeds_wait=still))
    if still:
        return
    symbols = chosen(symbols_wanting(turn), settings.max_symbols, turn.state.rhythm.turn, held_symbols(turn))
    wanted = plan(
        symbols, turn.state.facts.nxt_eligible, settings.codes_per_screen, mixed=settings.mixed_screens
    )
    dropped, registered = changes(turn.state.registered, wanted)
    for screen in dropped:
        turn.do(Unregister(screen))
    for item in registered:
        turn.do(Register(item.screen, item.codes, book_frame_fids(settings)))
    turn.set(registered=wanted)


def symbols_wanting(turn: Turn) -> tuple[Symbol, ...]:
    """Symbols of the map that are to have a feed: those switched off keep theirs while they are held."""
    reference, held = turn.state.reference, held_symbols(turn)
    if reference is None:
        return ()
    return tuple(entry.krx_code for entry in reference.symbols if entry.enabled or entry.krx_code in held)


def _venues_known(turn: Turn) -> bool:
    """Whether the control has said of every symbol if NXT trades it: what is registered on KRX alone around
    the open stays so until the hours of the settings are over."""
    facts = turn.state.facts
    blank_ns = facts.blank.get(NXT_LIST)
    blank_waits = blank_ns is not None and (not blank_ns or turn.now_ns - blank_ns < BLANK_NS)
    return not blank_waits and facts.read.issuperset(symbols_wanting(turn))


def book_frame_fids(settings: GatewaySettings) -> tuple[int, ...]:
    """Return the FIDs that each code is registered with."""
    return (*book_fids(settings.book_levels), *(_TRADE_FIDS if settings.publish_trades else ()))


def held_symbols(turn: Turn) -> frozenset[Symbol]:
    """Symbols that keep their feed: something of them waits here, works, or is bought and not sold."""
    orders = turn.state.orders
    waiting = {w.command.symbol for w in turn.state.queue if isinstance(w.command, PlaceOrder)}
    working = {record.facts.symbol for record in orders.working.values()}
    pairs = {*orders.still_held(), *orders.pairs_owing_an_exit(), *turn.state.over_night.doubtful}
    held = (orders.symbol_of(pair_id) for pair_id in pairs)
    return frozenset(waiting | working | {symbol for symbol in held if symbol})


def stands_still(turn: Turn) -> bool:
    """Whether it is around the open: the hours of the settings, moved with the day's own."""
    settings, session = turn.state.settings, turn.state.session
    market_ns = session.market_ns - session.opens_later_ns
    return time_of_day_ns(settings.still_from) <= market_ns < time_of_day_ns(settings.still_to)


def keep_held(turn: Turn) -> None:
    """Keep what is needed to sell of a symbol that no map names: one filled late, or before a restart."""
    reference = turn.state.reference
    if reference is None:
        return
    in_force = reference.keeping(None, held_symbols(turn))
    if in_force is not reference:
        turn.set(reference=in_force)
        subscribe(turn)


def feeds(turn: Turn) -> None:
    """Register what changed while registrations stood still, and what an order is about to need."""
    keep_held(turn)
    if stands_still(turn) and turn.state.registered:
        return
    _register_refused(turn)
    if turn.state.rhythm.feeds_wait or _without_feed(turn):
        subscribe(turn)


def _without_feed(turn: Turn) -> bool:
    held = held_symbols(turn) & frozenset(symbols_of(turn))
    codes = {code for item in turn.state.registered for code in item.codes} if held else set()
    return any(feed_code(symbol, Venue.KRX) not in codes for symbol in held)


def screen_registered(turn: Turn, screen: str, code: int) -> None:
    """SetRealReg came back; a screen that was refused is asked for again, ever less often."""
    if code == 0:
        _taken(turn, screen)
    elif screen not in turn.state.refused:
        turn.set(refused={**turn.state.refused, screen: Refused().asked(turn.now_ns)})
        _registration_alert(turn, screen, code, over=False)


def _taken(turn: Turn, screen: str) -> None:
    """The screen is registered, or wanted no more."""
    if screen in turn.state.refused:
        turn.set(refused={name: item for name, item in turn.state.refused.items() if name != screen})
        _registration_alert(turn, screen, 0, over=True)


def _registration_alert(turn: Turn, screen: str, code: int, *, over: bool) -> None:
    turn.alert(
        f"register-{screen}", AlertCode.REGISTRATION_REFUSED, Severity.CRITICAL,
        {"screen": screen, "error": str(code)}, resolved=over,
    )  # fmt: skip


def _register_refused(turn: Turn) -> None:
    """Ask once more for the screens whose pause is over; one that is wanted no more is forgotten."""
    if turn.state.link.state not in (ConnectionState.SYNCHRONISING, ConnectionState.READY):
        return
    wanted = {
        item.screen: (item.codes, book_frame_fids(turn.state.settings)) for item in turn.state.registered
    }
    wanted[SESSION_SCREEN] = ((), SESSION_FIDS)
    for screen, item in turn.state.refused.items():
        if screen not in wanted:
            if turn.state.registered:
                _taken(turn, screen)
        elif turn.now_ns >= item.again_ns:
            turn.set(refused={**turn.state.refused, screen: item.asked(turn.now_ns)})
            turn.do(Register(screen, *wanted[screen]))
