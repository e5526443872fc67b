"""Detector, risk and executor at the same two books: one figure, one threshold, one answer."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.in_force import Reference
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.intents import IntentLeg, TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import ClipRecomputed, PairApproved, PairDenied
from services.contracts.reasons import DenialReason
from services.contracts.terms import MovedLast, Side, TradingState, Venue
from services.contracts.threshold import Basis, MissFigures, ThresholdRow, ThresholdTable
from services.contracts.tick_grid import SHARE_TICKS
from services.contracts.trading_limits import BufferRule
from services.detector.core import decide
from services.detector.state import DetectorState
from services.market.edge import best_edge
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG, ms
from tests.unit.executor.desk import Desk as ExecutorDesk
from tests.unit.risk import desk as risk_desk

Quotes = tuple[QuoteUpdated, QuoteUpdated]
ASK_KRW = 75_000
BIDS = st.integers(2, 9).map(lambda ticks: SHARE_TICKS.step(ASK_KRW, ticks))
SIZES = st.integers(1, 12)


def row(miss: int, loss_bps: int, floor_krw: int) -> ThresholdRow:
    figures = MissFigures(miss_rate=Decimal(miss).scaleb(-2), loss_bps=Decimal(loss_bps))
    return ThresholdRow(
        min_cross_ms=0, ask_moved_last=figures, bid_moved_last=figures, floor_krw=floor_krw,
        basis=Basis.SIMULATED, source="the test",
    )  # fmt: skip


ROWS = st.builds(row, st.integers(0, 99), st.integers(0, 90), st.integers(0, 2_000))
TABLES = st.builds(
    lambda default, own: ThresholdTable(default=default, symbol=own),
    ROWS,
    st.dictionaries(st.sampled_from((SAMSUNG, HYNIX)), ROWS),
)


def spoken(in_force: Reference, quotes: Quotes) -> TradeIntent | None:
    """What a detector says to two quotes."""
    state, out = DetectorState(group="g1"), []
    told = [world.published(in_force), *world.morning(), *quotes]
    for event in world.events(told, ms(10)):
        found = decide(state, event)
        state = found.state
        out += [said.message for said in found.out if isinstance(said.message, TradeIntent)]
    return out[-1] if out else None


def verdict(in_force: Reference, quotes: Quotes, qty: int, bid: int) -> PairApproved | PairDenied:
    """What risk answers to an intent for the whole size at these two quotes."""
    desk = risk_desk.Desk()
    files = risk_desk.files(in_force.limits, threshold=in_force.threshold)
    beats = [risk_desk.heartbeat(service) for service in (*risk_desk.REQUIRED, "risk")]
    desk.tell(files, *world.morning(), risk_desk.account(), risk_desk.reconciled(), *beats)
    desk.tell(risk_desk.ask(TradingState.ARMED), *quotes)
    assert desk.state.reference == in_force
    legs = {"side_a": IntentLeg(venue=Venue.KRX, side=Side.BUY, price_krw=ASK_KRW),
            "side_b": IntentLeg(venue=Venue.NXT, side=Side.SELL, price_krw=bid)}  # fmt: skip
    return desk.answer(risk_desk.intent(desk, qty_shares=qty, **legs))


def quote_size(quote: QuoteUpdated) -> int:
    return (quote.asks if quote.venue is Venue.KRX else quote.bids)[0][1]


def first_clip(in_force: Reference, quotes: Quotes, qty: int) -> ClipRecomputed:
    """What the executor finds before a first clip of the whole size at these two quotes."""
    desk = ExecutorDesk(in_force.limits).open_day()
    published = ReferencePublished(reference=in_force, reference_hash="h", by="risk", reason="test")
    desk.hear(published)
    for quote in quotes:
        desk.book(quote.venue, *quote.bids[0][:1], *quote.asks[0][:1], qty=quote_size(quote))
    approved = PairApproved(
        pair_id="P1", intent_id="i1", symbol=SAMSUNG, trading_date=world.DATE, buy_venue=Venue.KRX,
        sell_venue=Venue.NXT, qty_shares=qty, clip_shares=qty, buy_limit_krw=ASK_KRW,
        sell_limit_krw=ASK_KRW, approved_at_ns=desk.now_ns, expires_at_ns=desk.now_ns + 10**9,
        reference_hash="h",
    )  # fmt: skip
    desk.hear(approved)
    found = desk.last(ClipRecomputed)
    assert [order.qty_shares for order in desk.orders] == ([qty] if found.proceed else [])
    return found


@settings(max_examples=25)
@given(BIDS, SIZES, SIZES, st.sampled_from(BufferRule), TABLES, st.sampled_from((1, 50, 100)))
def test_three_cores_give_one_answer(
    bid: int, asked: int, offered: int, rule: BufferRule, table: ThresholdTable, pct: int
) -> None:
    limits = world.limits(buffer_rule=rule, max_displayed_share_pct=pct, max_pair_shares=50, clip_shares=50)
    in_force = world.reference(limits, threshold=table)
    quotes = (
        world.quote(Venue.KRX, ASK_KRW - 100, ASK_KRW, qty=asked),
        world.quote(Venue.NXT, bid, bid + 100, qty=offered),
    )
    costs, (buy, sell) = in_force.costs_of(SAMSUNG), quotes
    assert costs is not None
    # One level of each book: the size is the same for all three.
    one = (buy.model_copy(update={"asks": buy.asks[:1]}), sell.model_copy(update={"bids": sell.bids[:1]}))
    own = in_force.threshold_of(SAMSUNG, MovedLast.UNKNOWN)
    found = best_edge(costs, limits, Venue.KRX, one[0].asks, Venue.NXT, one[1].bids, own)
    assert found is not None
    pays = found.reaches(limits, own)
    intent = spoken(in_force, one)
    assert (intent is not None) is pays
    answered = verdict(in_force, one, found.qty_shares, bid)
    assert isinstance(answered, PairApproved) is pays
    if isinstance(answered, PairDenied):
        assert answered.reason is DenialReason.EDGE_GONE
        assert answered.detail == f"net_krw={found.net_krw} threshold_krw={found.threshold_krw(limits, own)}"
    clip = first_clip(in_force, one, found.qty_shares)
    assert clip.proceed is pays and (pays or "the edge is gone" in clip.reason)
    assert (clip.net_edge_krw, clip.threshold_krw) == (found.net_krw, found.threshold_krw(limits, own))


def test_row_of_the_symbol_decides_the_size_of_an_intent() -> None:
    """Two shares at the best ask pay what the own row asks for; with those behind them the whole does not."""
    quotes = (
        world.quote(Venue.KRX, 74_900, 75_000).model_copy(update={"asks": ((75_000, 2), (75_400, 3))}),
        world.quote(Venue.NXT, 75_700, 75_800),
    )
    sizes = []
    for own in (row(0, 0, 0), row(50, 120, 0)):
        table = ThresholdTable(default=row(0, 0, 0), symbol={SAMSUNG: own})
        intent = spoken(world.reference(threshold=table), quotes)
        assert intent is not None
        sizes.append(intent.qty_shares)
    assert sizes == [5, 2]
