"""What the venue stream adds up to: the state of both venues and of the day, as every reader sees it.

A fold over the messages that the gateway publishes. It is durable in whoever keeps it, because the
stream is committed and is not read again. Fails closed: what was never said does not hold, and what
was said of another trading date is forgotten when a new one begins.
"""

from typing import Any, Self

from pydantic import Field

from services.contracts.envelope import Message, Part
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    EntryWindowChanged,
    FeedLivenessChanged,
    PriceBand,
    SessionPhaseChanged,
    SymbolHaltChanged,
)
from services.contracts.terms import Market, OrderKind, SessionPhase, Symbol, TradingDate, Venue
from services.market.instruments import trades_in

DayWord = SessionPhaseChanged | EntryWindowChanged | DayFactsPublished
"""What names its trading date."""


class VenueView(Part):
    """Phases, entry window, halts, facts of the day, connection and feeds; no trading date at first."""

    trading_date: TradingDate = TradingDate("")
    phases: dict[Venue, SessionPhase] = Field(default_factory=dict)
    order_kinds: dict[Venue, tuple[OrderKind, ...]] = Field(default_factory=dict)
    """What the gateway can send to a venue in its present phase."""
    window: EntryWindowChanged | None = None
    halts: dict[Symbol, tuple[SymbolHaltChanged, ...]] = Field(default_factory=dict)
    facts: DayFactsPublished | None = None
    connection: ConnectionChanged | None = None
    feeds: dict[Venue, FeedLivenessChanged] = Field(default_factory=dict)
    dated_epoch: int = -1
    """The connection in which the trading date was last told."""
    ahead: tuple[DayWord, ...] = ()
    """The word of another date that waits for a second one."""

    def after(self, message: Message) -> Self:
        """Return the view with one message of the venue stream taken in; the same object for any other.

        Another date begins with the second word that names it, of something else than the first: one wrong
        word ends no day, and the gateway tells both phases and the window of a new date at once. No clock is
        asked, because a simulated day has a date of its own. What is said of an earlier date is old within a
        connection, and changes nothing: only a gateway that connects anew may go back.
        """
        if not isinstance(message, DayWord):
            return self._undated(message)
        if self._outdated(message.trading_date):
            return self
        others = tuple(word for word in self.ahead if _about(word) != _about(message))
        if self.trading_date in ("", message.trading_date):
            known = self if others == self.ahead else self.model_copy(update={"ahead": others})
            return known._on(message.trading_date)._told(message)
        words = (*(word for word in others if word.trading_date == message.trading_date), message)
        if len(words) == 1:
            return self.model_copy(update={"ahead": words})
        day = self._on(message.trading_date)
        for word in words:
            day = day._told(word)
        return day

    def _undated(self, message: Message) -> Self:
        match message:
            case SymbolHaltChanged():
                return self.model_copy(update={"halts": self._halts_after(message)})
            case ConnectionChanged(connection_epoch=epoch):
                # The gateway tells all halts anew after each login: one that ended meanwhile is gone.
                halts = {} if epoch > self.connection_epoch else self.halts
                return self.model_copy(update={"connection": message, "halts": halts})
            case FeedLivenessChanged(venue=venue):
                return self.model_copy(update={"feeds": {**self.feeds, venue: message}})
        return self

    def _told(self, word: DayWord) -> Self:
        """The view with one word of its own date."""
        match word:
            case SessionPhaseChanged(venue=venue, phase=phase, order_kinds=kinds):
                takes = {**self.order_kinds, venue: kinds or ()}
                phases = {**self.phases, venue: phase}
                return self.model_copy(update={"phases": phases, "order_kinds": takes})
            case EntryWindowChanged():
                return self.model_copy(update={"window": word})
            case DayFactsPublished():
                return self.model_copy(update={"facts": word})

    def _on(self, trading_date: TradingDate) -> Self:
        """The view on a date: a new one forgets the old day's state. The first one known forgets nothing."""
        epoch = self.connection_epoch
        if trading_date == self.trading_date:
            return self if epoch == self.dated_epoch else self.model_copy(update={"dated_epoch": epoch})
        if not self.trading_date:
            return self.model_copy(update={"trading_date": trading_date, "dated_epoch": epoch})
        fresh: dict[str, Any] = {
            "trading_date": trading_date,
            "dated_epoch": epoch,
            "ahead": (),
            "phases": {},
            "order_kinds": {},
            "window": None,
            "halts": {},
            "facts": None,
        }
        return self.model_copy(update=fresh)

    def _outdated(self, trading_date: TradingDate) -> bool:
        return trading_date < self.trading_date and self.connection_epoch <= self.dated_epoch

    def _halts_after(self, change: SymbolHaltChanged) -> dict[Symbol, tuple[SymbolHaltChanged, ...]]:
        others = tuple(
            halt
            for halt in self.halts.get(change.symbol, ())
            if (halt.venue, halt.kind) != (change.venue, change.kind)
        )
        left = (*others, change) if change.halted else others
        rest = {symbol: halts for symbol, halts in self.halts.items() if symbol != change.symbol}
        return {**rest, change.symbol: left} if left else rest

    # -- what holds ------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self.connection is not None and self.connection.state is ConnectionState.READY

    @property
    def connection_epoch(self) -> int:
        """The newest connection's number, -1 while none is known."""
        return -1 if self.connection is None else self.connection.connection_epoch

    @property
    def both_continuous(self) -> bool:
        """Whether both venues match continuously now; a venue of unknown phase does not."""
        krx, nxt = self.phases.get(Venue.KRX), self.phases.get(Venue.NXT)
        return krx is not None and nxt is not None and krx.matches_continuously and nxt.matches_continuously

    def both_trade(self, market: Market) -> bool:
        """Whether both venues match continuously now, trade a market's symbols, and take an order."""
        return self.both_continuous and all(
            trades_in(market, venue, phase) and self.limit_kind(venue) is not None
            for venue, phase in self.phases.items()
        )

    def takes(self, venue: Venue, kind: OrderKind) -> bool:
        """Whether an order of that kind can be sent to a venue now."""
        return kind in self.order_kinds.get(venue, ())

    def limit_kind(self, venue: Venue) -> OrderKind | None:
        """The kind of a limit order to a venue now: IOC where it is taken; None where none can be sent."""
        kinds = (OrderKind.LIMIT_IOC, OrderKind.LIMIT)
        return next((kind for kind in kinds if self.takes(venue, kind)), None)

    def window_open(self, now_ns: int) -> bool:
        """Whether entries are allowed by the clock; a window closes by itself at `closes_at_ns`."""
        return self.window is not None and self.window.open and now_ns < self.window.closes_at_ns

    def feed_alive(self, venue: Venue) -> bool:
        feed = self.feeds.get(venue)
        return feed is not None and feed.alive

    @property
    def feeds_alive(self) -> bool:
        return all(self.feed_alive(venue) for venue in Venue)

    def halted(self, symbol: Symbol) -> bool:
        """Whether a halt or VI on either venue holds: it blocks the symbol on both (market rules 2.3)."""
        return symbol in self.halts

    def eligible(self, symbol: Symbol) -> bool:
        return self.facts is not None and symbol in self.facts.nxt_eligible

    def warned(self, symbol: Symbol) -> bool:
        """Whether the broker would raise a dialog for an order of this symbol."""
        return self.facts is None or symbol in self.facts.order_warnings

    def band(self, symbol: Symbol) -> PriceBand | None:
        """The day's band; None where it is not known, or where what was said is no band."""
        band = None if self.facts is None else self.facts.bands.get(symbol)
        return band if band is not None and 1 <= band.lower_krw <= band.upper_krw else None


def _about(word: DayWord) -> tuple[type[DayWord], Venue | None]:
    """What a word is of, whatever its date."""
    return type(word), word.venue if isinstance(word, SessionPhaseChanged) else None
