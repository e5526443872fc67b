"""Decisions follow from their inputs, and expect what their prices leave after the published charges."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from services.contracts.ids import pair_id_of
from services.contracts.in_force import Reference
from services.contracts.limits import APPROVAL_TTL_MS, NS_PER_MS
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.intents import QuoteSeen, TradeIntent
from services.contracts.messages.pairs import ClipRecomputed, PairApproved, PairDenied
from services.contracts.terms import Market, Side, Symbol
from services.detector.intents import recomputed
from services.lab import rules
from services.lab.breach import Fact, Found, invariant
from services.lab.record import Record
from services.market.edge import clip_allowed, executable_edge


@invariant("I11", Fact.MESSAGES | Fact.REFERENCE)
def decisions_recompute(day: Record) -> Iterator[Found]:
    """Each decision names its inputs and clock value, gives the same again, and what it expects to earn is
    what its prices leave after the published charges."""
    references: dict[str, Reference] = {p.reference_hash: p.reference for p in day.of(ReferencePublished)}
    for intent in day.of(TradeIntent):
        reference = references.get(intent.reference_hash)
        if reference is None or recomputed(intent, reference) != intent:
            yield f"intent {intent.intent_id} does not compute again"
        elif intent.cross_age_ms < reference.threshold_of(intent.symbol, intent.moved_last).min_cross_ms:
            yield f"intent {intent.intent_id} was spoken of a cross of {intent.cross_age_ms} ms"
        legs = intent.quote_a, intent.quote_b
        own_krw = _own_net_krw(day, intent.symbol, *legs, intent.qty_shares)
        if own_krw is not None and own_krw != intent.net_edge_krw:
            yield f"intent {intent.intent_id} expects {intent.net_edge_krw} KRW, by the charges {own_krw}"
    yield from _verdicts_recompute(day, references)
    yield from _clips_recompute(day, references)


def _own_net_krw(day: Record, symbol: Symbol, buy: QuoteSeen, sell: QuoteSeen, qty_shares: int) -> int | None:
    """What buying at one quote and selling at the other leaves by the sources; None where nobody can say."""
    market = None if day.books is None else day.books.markets.get(symbol)
    if market is None or not day.trading_date:
        return None
    share_pct = day.limits.max_displayed_share_pct
    bought_krw = _amount_krw(buy.quote.asks, share_pct, qty_shares)
    sold_krw = _amount_krw(sell.quote.bids, share_pct, qty_shares)
    if bought_krw is None or sold_krw is None:
        return None
    date, listed = day.trading_date, Market(market)
    costs_krw = rules.costs_krw(date, listed, buy.quote.venue, Side.BUY, bought_krw)
    costs_krw += rules.costs_krw(date, listed, sell.quote.venue, Side.SELL, sold_krw)
    return sold_krw - bought_krw - costs_krw


def _amount_krw(levels: Sequence[tuple[int, int]], share_pct: int, qty_shares: int) -> int | None:
    """What so many shares cost, level by level, of the part of each level that counts (design, 5)."""
    left, amount_krw, counted = qty_shares, 0, 0
    for (price_krw, _), total in zip(levels, accumulate(qty for _, qty in levels), strict=True):
        there = min(total, max(1, total * share_pct // 100)) - counted
        counted += there
        taken = min(left, there)
        left, amount_krw = left - taken, amount_krw + taken * price_krw
    return None if left else amount_krw


def _verdicts_recompute(day: Record, references: Mapping[str, Reference]) -> Iterator[Found]:
    """An approval follows from its intent; a denial's figures are the reason that it names."""
    intents = {intent.intent_id: intent for intent in day.of(TradeIntent)}
    for pair in day.of(PairApproved):
        intent, reference = intents.get(pair.intent_id), references.get(pair.reference_hash)
        if reference is None or (intent is not None and not _follows(pair, intent, reference)):
            yield f"approval {pair.pair_id} does not follow from its intent"
    for denied in day.of(PairDenied):
        figures = dict(word.split("=", 1) for word in denied.detail.split() if "=" in word)
        if "worst_krw" in figures and int(figures["worst_krw"]) <= int(figures["limit_krw"]):
            yield f"intent {denied.intent_id} was denied with {denied.detail}"


def _follows(pair: PairApproved, intent: TradeIntent, reference: Reference) -> bool:
    """Neither limit may lie above the intent's: risk's own books, newer than these, can only lower it."""
    said = (
        pair.pair_id, pair.symbol, pair.trading_date, pair.buy_venue, pair.sell_venue, pair.qty_shares,
        pair.clip_shares, pair.expires_at_ns,
    )  # fmt: skip
    due = (
        pair_id_of(intent.intent_id), intent.symbol, intent.trading_date, intent.side_a.venue,
        intent.side_b.venue, intent.qty_shares,
        clip_allowed(reference.limits, intent.side_a.price_krw, intent.qty_shares),
        pair.approved_at_ns + APPROVAL_TTL_MS * NS_PER_MS,
    )  # fmt: skip
    within = pair.buy_limit_krw <= intent.side_a.price_krw and pair.sell_limit_krw <= intent.side_b.price_krw
    return said == due and within and pair.approved_at_ns <= intent.expires_at_ns


def _clips_recompute(day: Record, references: Mapping[str, Reference]) -> Iterator[Found]:
    """A clip goes on only if its own two quotes pay for it, with the net edge that it says."""
    pairs = {pair.pair_id: pair for pair in day.of(PairApproved)}
    for clip in day.of(ClipRecomputed):
        pair = pairs.get(clip.pair_id)
        if pair is not None and not _clip_follows(day, clip, pair, references.get(pair.reference_hash)):
            yield f"clip {clip.clip} of {clip.pair_id} does not compute again"


def _clip_follows(day: Record, clip: ClipRecomputed, pair: PairApproved, reference: Reference | None) -> bool:
    """Whether some size of a clip gives its figures. One that stopped before the arithmetic has none."""
    if not clip.proceed and clip.net_edge_krw == 0:
        return True
    if reference is None or clip.quote_buy is None or clip.quote_sell is None:
        return False
    costs, limits = reference.costs_of(clip.symbol), reference.limits
    asks, bids = clip.quote_buy.quote.asks, clip.quote_sell.quote.bids
    if costs is None or (clip.quote_buy.quote.venue, clip.quote_sell.quote.venue) != (
        pair.buy_venue, pair.sell_venue,
    ):  # fmt: skip
        return False
    for qty_shares in range(1, pair.clip_shares + 1):
        again = executable_edge(costs, limits, pair.buy_venue, asks, pair.sell_venue, bids, qty_shares)
        if again is None or again.net_krw != clip.net_edge_krw:
            continue
        own_krw = _own_net_krw(day, clip.symbol, clip.quote_buy, clip.quote_sell, qty_shares)
        if own_krw not in (None, clip.net_edge_krw):
            continue
        threshold = reference.threshold_of(clip.symbol, clip.moved_last)
        part = threshold.of_part(qty_shares, pair.qty_shares)
        pays = again.reaches(limits, part) and not again.beyond_ceiling(limits)
        pays = pays and clip.cross_age_ms >= threshold.min_cross_ms
        if not clip.proceed or (pays and again.buy_price_worst_krw <= pair.buy_limit_krw):
            return True
    return False
