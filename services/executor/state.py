"""What the executor knows. Open and stranded pairs survive a restart; books do not.

The venue and control streams are committed and not read again, so what they added up to is durable too.
"""

from typing import ClassVar, Final

from pydantic import Field

from services.contracts.day_words import is_clip, is_first_close
from services.contracts.envelope import Part
from services.contracts.in_force import Reference
from services.contracts.messages.intents import QuoteSeen
from services.contracts.messages.pairs import ClipCompleted, PairClosed
from services.contracts.request_book import RequestBook
from services.contracts.step import State
from services.contracts.terms import Symbol, TradingDate, Venue
from services.contracts.threshold import SHIPPED_TABLE
from services.contracts.trading_limits import STRICTEST
from services.contracts.trading_word import TradingWord
from services.executor.closed_pair import ClosedPair, closed_pair
from services.executor.pair import Pair
from services.executor.settings import ExecutorSettings
from services.executor.view import View
from services.market.crossed_markets import CrossedMarkets
from services.market.venue_view import VenueView

CLAIMS_KEPT: Final = 100


class Tally(Part):
    """What the pairs of one trading date came to, for a screen."""

    trading_date: TradingDate = TradingDate("")
    pairs_closed: int = 0
    clips: int = 0
    uncovered_krw_ms: int = 0
    neutral_ms_max: int = 0

    def after_clip(self, done: ClipCompleted) -> "Tally":
        return self.model_copy(update={"clips": self.clips + is_clip(done)})

    def after_pair(self, closed: PairClosed) -> "Tally":
        """A pair that is closed again, or whose statement is made anew, is counted no second time."""
        first = is_first_close(closed)
        return self.model_copy(
            update={
                "pairs_closed": self.pairs_closed + first,
                "uncovered_krw_ms": self.uncovered_krw_ms + first * closed.uncovered_krw_ms,
                "neutral_ms_max": max(self.neutral_ms_max, closed.neutral_ms),
            }
        )


class ExecutorState(State):
    """`pairs` are the open and stranded ones by pair id, `closed` the last ones that closed, oldest first.
    `paused` says of each symbol that a person paused why, until one resumes it.

    `status_ns` is when the last status was said. `behind`: at the last tick streams held old entries that
    were not read. `caught_up` turns true at the first other tick of a process, when what was said while it
    was away has been read: only then it decides, and names what is stranded; `started_ns` is when that was.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset(
        {
            "pairs",
            "closed",
            "paused",
            "paused_ns",
            "trading",
            "venues",
            "reference",
            "reference_hash",
            "tally",
            "requests",
            "claims",
        }
    )

    settings: ExecutorSettings
    pairs: dict[str, Pair] = Field(default_factory=dict)
    closed: dict[str, ClosedPair] = Field(default_factory=dict)
    paused: dict[Symbol, str] = Field(default_factory=dict)
    paused_ns: dict[Symbol, int] = Field(default_factory=dict)
    """When each was paused (Redis time)."""
    trading: TradingWord = TradingWord()
    requests: RequestBook = RequestBook()
    claims: dict[str, str] = Field(default_factory=dict)
    """Who claimed pairs that are not known, by pair id, the newest: one that comes back is not sold."""
    venues: VenueView = VenueView()
    reference: Reference | None = None
    reference_hash: str = ""
    tally: Tally = Tally()
    books: dict[tuple[Symbol, Venue], QuoteSeen] = Field(default_factory=dict)
    crossed: CrossedMarkets = Field(default_factory=dict)
    status_ns: int = 0
    caught_up: bool = False
    behind: bool = False
    started_ns: int = 0

    def view(self, symbol: Symbol, now_ns: int) -> View:
        """Return what a pair of `symbol` sees now."""
        reference = self.reference
        return View(
            now_ns=now_ns, symbol=symbol, trading=self.trading.in_force, venues=self.venues,
            books=self.books, limits=STRICTEST if reference is None else reference.limits,
            thresholds=(SHIPPED_TABLE if reference is None else reference.threshold).row_of(symbol),
            crossed=self.crossed,
            reference_hash=self.reference_hash,
            costs=None if reference is None else reference.exit_costs_of(symbol),
            listed=reference is not None and reference.entry(symbol) is not None,
            settings=self.settings, started_ns=self.started_ns, behind=self.behind,
        )  # fmt: skip

    def with_pair(self, pair: Pair) -> "ExecutorState":
        if pair.pair_id not in self.pairs and pair.pair_id in self.claims:
            pair = pair.but(claimed_by=self.claims[pair.pair_id])
        changed: ExecutorState = self.but(pairs={**self.pairs, pair.pair_id: pair})
        return changed

    def with_claim(self, pair_id: str, by: str) -> "ExecutorState":
        """Return the state that remembers a claim of a pair that is not known."""
        kept = dict(list(self.claims.items())[1 - CLAIMS_KEPT :])
        changed: ExecutorState = self.but(claims={**kept, pair_id: by})
        return changed

    def with_pair_again(self, pair: Pair) -> "ExecutorState":
        """Return the state with a pair open that was closed."""
        closed = {key: value for key, value in self.closed.items() if key != pair.pair_id}
        changed: ExecutorState = self.with_pair(pair).but(closed=closed)
        return changed

    def with_closed(self, pair_id: str, closed: ClosedPair) -> "ExecutorState":
        """Return the state with news of a pair that stays closed."""
        changed: ExecutorState = self.but(closed={**self.closed, pair_id: closed})
        return changed

    def without_pair(self, pair: Pair) -> "ExecutorState":
        """Return the state with a pair closed, and remembered among the last ones."""
        kept = {key: value for key, value in self.closed.items() if key != pair.pair_id}
        kept[pair.pair_id] = closed_pair(pair)
        for oldest in list(kept)[: max(0, len(kept) - self.settings.closed_pairs_kept)]:
            del kept[oldest]
        pairs = {key: value for key, value in self.pairs.items() if key != pair.pair_id}
        changed: ExecutorState = self.but(pairs=pairs, closed=kept)
        return changed
