"""One realistic message of every type: the story of one pair of 005930, and the day around it.

KRX asks 71,000, NXT bids 71,300: five shares are bought for 355,000 and sold for 356,500. At the rates
of 2026 that costs 53 + 53 won of commission and 178 + 534 won of tax, so 682 won remain.
"""

from decimal import Decimal

from services.contracts.envelope import Message
from services.contracts.ids import derive_id, order_id_of, pair_id_of
from services.contracts.in_force import Reference
from services.contracts.messages import (
    alerts,
    commands,
    control,
    dead,
    intents,
    lease,
    orders,
    pairs,
    status,
    supervision,
)
from services.contracts.messages import market_data as md
from services.contracts.messages import venue_state as vs
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.reference import CommissionRates, SymbolEntry, TradeCosts
from services.contracts.terms import (
    GatewayMode,
    Latch,
    Market,
    OrderKind,
    Purpose,
    SessionPhase,
    Severity,
    Side,
    Symbol,
    TradingDate,
    TradingState,
    Venue,
)
from services.contracts.trading_limits import TradingLimits
from tests.contracts.request_examples import ANSWERED

DAY = TradingDate("2026-11-23")
SAMSUNG, HYNIX = Symbol("005930"), Symbol("000660")
NOW_NS = 1_795_397_412_345_678_000
INTENT_ID = derive_id("example", "intent")
PAIR_ID = pair_id_of(INTENT_ID)
BUY_ID = order_id_of(PAIR_ID, 1, Side.BUY, 1)
SELL_ID = order_id_of(PAIR_ID, 1, Side.SELL, 1)
HASH = derive_id("example", "reference")
DESK = {"by": "desk", "reason": "the example of a reason"}

KRX_BOOK = md.QuoteUpdated(
    symbol=SAMSUNG,
    venue=Venue.KRX,
    bids=((70_900, 4_120), (70_800, 9_077)),
    asks=((71_000, 812), (71_100, 6_400)),
    exchange_time="103012",
    connection_epoch=3,
    feed_seq=48_211,
    conflated=2,
)
NXT_BOOK = md.QuoteUpdated(
    symbol=SAMSUNG,
    venue=Venue.NXT,
    bids=((71_300, 64), (71_200, 310)),
    asks=((71_400, 95),),
    exchange_time="103012",
    connection_epoch=3,
    feed_seq=17_954,
)
SEEN_KRX = intents.QuoteSeen(message_id=derive_id("krx"), ts_event_ns=NOW_NS - 180_000_000, quote=KRX_BOOK)
SEEN_NXT = intents.QuoteSeen(message_id=derive_id("nxt"), ts_event_ns=NOW_NS - 40_000_000, quote=NXT_BOOK)

COSTS = TradeCosts(
    trading_date=DAY,
    market=Market.KOSPI,
    commission=CommissionRates(krx=Decimal("0.00015"), nxt=Decimal("0.00015")),
    transaction_tax_rate=Decimal("0.0005"),
    rural_tax_rate=Decimal("0.0015"),
)
REFERENCE = Reference(
    trading_date=DAY,
    symbols=(
        SymbolEntry(
            krx_code=SAMSUNG,
            nxt_code="005930_NX",
            name="삼성전자",
            market=Market.KOSPI,
            group="g1",
            enabled=True,
        ),
    ),
    costs={Market.KOSPI: COSTS},
    limits=TradingLimits(),
)

BOUGHT = orders.OrderFacts(
    order_id=BUY_ID,
    pair_id=PAIR_ID,
    symbol=SAMSUNG,
    venue=Venue.KRX,
    side=Side.BUY,
    kind=OrderKind.LIMIT_IOC,
    purpose=Purpose.ENTRY,
    qty_shares=5,
    price_krw=71_000,
    trading_date=DAY,
    broker_order_no="0012345",
    cum_qty_shares=5,
    cum_amount_krw=355_000,
    commission_krw=53,
    closed=True,
)
WORKING = BOUGHT.model_copy(
    update={"cum_qty_shares": 0, "cum_amount_krw": 0, "commission_krw": 0, "closed": False}
)
UNSENT = WORKING.model_copy(update={"broker_order_no": ""})
SOLD = orders.OrderFacts(
    order_id=SELL_ID,
    pair_id=PAIR_ID,
    symbol=SAMSUNG,
    venue=Venue.NXT,
    side=Side.SELL,
    kind=OrderKind.LIMIT_IOC,
    purpose=Purpose.EXIT,
    qty_shares=5,
    price_krw=71_300,
    trading_date=DAY,
    broker_order_no="0012346",
    cum_qty_shares=5,
    cum_amount_krw=356_500,
    commission_krw=53,
    tax_krw=712,
    closed=True,
)
PAIR_SEEN = status.OpenPairSeen(
    pair_id=PAIR_ID,
    symbol=SAMSUNG,
    state="selling",
    clip=1,
    uncovered_shares=5,
    uncovered_krw=355_000,
    age_ms=412,
)

TICKS = (
    KRX_BOOK,
    md.TradePrinted(
        symbol=SAMSUNG,
        venue=Venue.NXT,
        price_krw=71_300,
        qty_shares=12,
        aggressor=Side.BUY,
        exchange_time="103012",
    ),
)
VENUE = (
    vs.SessionPhaseChanged(
        venue=Venue.NXT,
        phase=SessionPhase.CONTINUOUS,
        trading_date=DAY,
        market_time="09:00:30",
        confirmed_by=vs.ConfirmedBy.FID215,
    ),
    vs.EntryWindowChanged(
        open=True,
        reason="both venues trade continuously",
        trading_date=DAY,
        market_time="09:01:00",
        closes_at_ns=NOW_NS + 17_000_000_000_000,
    ),
    vs.SymbolHaltChanged(
        symbol=HYNIX,
        venue=Venue.KRX,
        kind=vs.HaltKind.VOLATILITY_INTERRUPTION,
        halted=True,
        detail="static VI",
    ),
    vs.DayFactsPublished(
        trading_date=DAY,
        nxt_eligible=(SAMSUNG, HYNIX),
        order_warnings=(HYNIX,),
        bands={SAMSUNG: vs.PriceBand(base_krw=70_500, lower_krw=49_400, upper_krw=91_600)},
    ),
    vs.ConnectionChanged(
        state=vs.ConnectionState.READY, connection_epoch=3, planned=False, detail="logged in"
    ),
    vs.FeedLivenessChanged(venue=Venue.KRX, alive=True, last_event_ns=NOW_NS - 20_000_000),
)
INTENTS = (
    intents.TradeIntent(
        intent_id=INTENT_ID,
        symbol=SAMSUNG,
        trading_date=DAY,
        side_a=intents.IntentLeg(venue=Venue.KRX, side=Side.BUY, price_krw=71_000),
        side_b=intents.IntentLeg(venue=Venue.NXT, side=Side.SELL, price_krw=71_300),
        qty_shares=5,
        gross_edge_krw=1_500,
        cost_krw=818,
        net_edge_krw=682,
        threshold_krw=35,
        quote_a=SEEN_KRX,
        quote_b=SEEN_NXT,
        decided_at_ns=NOW_NS,
        expires_at_ns=NOW_NS + 800_000_000,
        reference_hash=HASH,
    ),
    intents.CrossEnded(
        symbol=SAMSUNG,
        buy_venue=Venue.KRX,
        sell_venue=Venue.NXT,
        opened_at_ns=NOW_NS - 2_300_000_000,
        duration_ms=2_300,
        peak_net_edge_krw=682,
        peak_qty_shares=64,
    ),
)
PAIRS = (
    pairs.PairApproved(
        pair_id=PAIR_ID,
        intent_id=INTENT_ID,
        symbol=SAMSUNG,
        trading_date=DAY,
        buy_venue=Venue.KRX,
        sell_venue=Venue.NXT,
        qty_shares=5,
        clip_shares=5,
        buy_limit_krw=71_000,
        sell_limit_krw=71_300,
        approved_at_ns=NOW_NS,
        expires_at_ns=NOW_NS + 1_500_000_000,
        reference_hash=HASH,
    ),
    pairs.PairDenied(
        intent_id=INTENT_ID,
        symbol=SAMSUNG,
        reason=DenialReason.STALE_QUOTE,
        detail="sell_age_ms=1840 max_quote_age_sell_ms=1000",
        decided_at_ns=NOW_NS,
    ),
    pairs.ClipCompleted(
        pair_id=PAIR_ID,
        symbol=SAMSUNG,
        clip=1,
        bought_shares=5,
        bought_krw=355_000,
        sold_shares=3,
        sold_krw=213_900,
        residual_shares=2,
    ),
    pairs.ResidualOpened(
        pair_id=PAIR_ID,
        symbol=SAMSUNG,
        qty_shares=2,
        cost_krw=142_000,
        opened_at_ns=NOW_NS,
        reason="two sells of the clip are spent",
    ),
    pairs.ResidualMarked(
        pair_id=PAIR_ID,
        symbol=SAMSUNG,
        qty_shares=2,
        cost_krw=142_000,
        reason=pairs.StrandReason.NO_VENUE,
        detail="halted on both venues",
    ),
    pairs.PairClosed(
        pair_id=PAIR_ID,
        symbol=SAMSUNG,
        outcome=pairs.PairOutcome.FLAT,
        trip=True,
        clips=1,
        bought_shares=5,
        bought_krw=355_000,
        sold_shares=5,
        sold_krw=356_500,
        commission_krw=106,
        tax_krw=712,
        realised_pnl_krw=682,
        residual_shares_max=0,
        neutral_ms=412,
        uncovered_krw_ms=146_260_000,
        opened_at_ns=NOW_NS,
        closed_at_ns=NOW_NS + 730_000_000,
    ),
    pairs.ClipRecomputed(
        pair_id=PAIR_ID,
        symbol=SAMSUNG,
        clip=2,
        proceed=False,
        net_edge_krw=-118,
        quote_buy=SEEN_KRX,
        quote_sell=None,
        decided_at_ns=NOW_NS,
        reason="the edge is gone",
    ),
)
COMMANDS = (
    commands.PlaceOrder(
        order_id=BUY_ID,
        pair_id=PAIR_ID,
        symbol=SAMSUNG,
        venue=Venue.KRX,
        side=Side.BUY,
        kind=OrderKind.LIMIT_IOC,
        purpose=Purpose.ENTRY,
        qty_shares=5,
        price_krw=71_000,
        reference_price_krw=71_000,
        expires_at_ns=NOW_NS + 1_500_000_000,
    ),
    commands.AmendOrder(
        order_id=f"{SELL_ID}.a1",
        target_order_id=SELL_ID,
        pair_id=PAIR_ID,
        qty_shares=2,
        price_krw=71_100,
        expires_at_ns=NOW_NS + 1_500_000_000,
    ),
    commands.CancelOrder(
        order_id=f"{SELL_ID}.c1", target_order_id=SELL_ID, pair_id=PAIR_ID, reason="not filled in time"
    ),
)
ORDERS = (
    orders.OrderSent(facts=UNSENT),
    orders.OrderAccepted(facts=WORKING),
    orders.OrderFilled(facts=BOUGHT, last_qty_shares=5, last_amount_krw=355_000),
    orders.OrderClosed(facts=SOLD, reason="filled"),
    orders.OrderRejected(facts=UNSENT, code="-308", text="주문전송 과부하"),
    orders.OrderUnknown(facts=UNSENT, reason="no answer within 3000 ms"),
    orders.OrderResolved(facts=BOUGHT, resolution=orders.Resolution.FOUND, evidence="row 0012345"),
    orders.CancelRejected(facts=SOLD, code="505", text="취소가능수량 없음"),
    orders.CommandDenied(
        order_id=BUY_ID, pair_id=PAIR_ID, symbol=SAMSUNG, reason=GateReason.LEASE, detail="lease_left_ms=-340"
    ),
    orders.ForeignOrderSeen(
        broker_order_no="0099001",
        symbol=HYNIX,
        venue=Venue.KRX,
        side=Side.SELL,
        qty_shares=10,
        cum_qty_shares=4,
        cum_amount_krw=2_240_000,
        closed=False,
        trading_date=DAY,
    ),
    orders.AccountReported(
        cash_krw=50_000_682, orderable_krw=49_645_682, holdings={SAMSUNG: 5}, trading_date=DAY
    ),
    orders.ReconciliationCompleted(
        trading_date=DAY, connection_epoch=3, differences=("005930: 5, not 3",), bought_shares={SAMSUNG: 5}
    ),
)
PROPOSAL = control.LimitProposal(
    proposal_id="1f0c77ab", name="clip_shares", value="20", before="5", expires_at_ns=NOW_NS + 600 * 10**9,
    **DESK,
)  # fmt: skip
IN_FORCE = control.TradingStateChanged(
    state=TradingState.PAUSE_ENTRY, by="risk", reason="a latch is set", latches=(Latch.CUMULATIVE_LOSS,),
    stop_count=1795397412345, stop_id="1f0c77ab12",
    last_stop=control.Stopped(what="set the latch cumulative_loss", at_ns=NOW_NS, **DESK),
)  # fmt: skip
BEAT = status.Heartbeat(
    service="risk", instance="host-4711", epoch=7, build_id="0a1b2c3d4e5f", pid=4711,
    started_at_ns=NOW_NS - 60_000_000_000, reference_hash=HASH,
    positions={"arb-orders": "1795397412345-0"}, handled=120_331, clock_offset_us=-14,
)  # fmt: skip
CONTROL = (
    control.StopRequested(target=TradingState.HALTED, **DESK),
    control.StopTaken(service="gateway", name="main", state=TradingState.HALTED),
    control.HaltFileSeen(by="somebody", reason="the file is C:\\arb\\HALT"),
    control.TradingStateRequested(target=TradingState.ARMED, stop_count=1795397412345, **DESK),
    control.HaltLiftRequested(stop_count=1795397412345, **DESK),
    control.RequestRefused(request="HaltLiftRequested", by="desk", problem="kim halted at 10:03:12"),
    IN_FORCE,
    control.LatchSet(latch=Latch.UNPLANNED_DISCONNECT, detail="the connection ended at 10:31:07"),
    control.LatchClearRequested(latch=Latch.UNPLANNED_DISCONNECT, **DESK),
    control.LatchCleared(latch=Latch.UNPLANNED_DISCONNECT, **DESK),
    control.ReferencePublished(reference=REFERENCE, reference_hash=REFERENCE.hash, by="risk", reason="start"),
    control.LimitChangeRequested(name="clip_shares", value="20", **DESK),
    control.LimitChangeProposed(proposal=PROPOSAL),
    control.LimitConfirmRequested(proposal_id="1f0c77ab", **DESK),
    control.LimitProposalExpired(proposal=PROPOSAL),
    control.ReferenceReloadRequested(**DESK),
    control.ComparisonRequested(by="risk", reason="risk has begun"),
    control.FlattenRequested(symbol=SAMSUNG, **DESK),
    control.ResidualClaimed(pair_id=PAIR_ID, qty_shares=2, amount_krw=142_100, **DESK),
    control.SymbolPauseRequested(symbol=HYNIX, paused=True, **DESK),
    control.SymbolResumeRequested(symbol=HYNIX, stop_count=1795397412345, **DESK),
    control.AlertAcknowledged(alert_id=f"stranded-{PAIR_ID}", **DESK),
    *ANSWERED,
)
STATUS = (
    status.KeysVanished(service="executor", detail="Redis came back empty and was filled from memory"),
    BEAT,
    status.GatewayStatus(
        mode=GatewayMode.SIMULATED,
        connection=vs.ConnectionState.READY,
        connection_epoch=3,
        account="8112****11",
        trading_date=DAY,
        market_time="10:30:12",
        phases={Venue.KRX: SessionPhase.CONTINUOUS, Venue.NXT: SessionPhase.CONTINUOUS},
        entry_window_open=True,
        last_event_age_ms={"KRX": 12, "NXT": -1},
        queue_depths={"orders": 0},
        order_tokens=4,
        query_tokens=5,
        orders_sent=38,
        queries_sent=61,
        orders_in_window_max=4,
        quotes_published=91_204,
        quotes_conflated=833,
        subscribed=100,
        lease_left_ms=1_730,
    ),
    status.DetectorStatus(
        group="g1",
        symbols=25,
        quotes=91_204,
        quotes_skipped=17,
        intents=12,
        crosses=41,
        spreads=(
            status.SpreadSeen(
                symbol=SAMSUNG,
                name="삼성전자",
                buy_venue=Venue.KRX,
                sell_venue=Venue.NXT,
                ask_krw=71_000,
                bid_krw=71_300,
                qty_shares=64,
                net_edge_krw=136,
                net_edge_bps=19,
                age_ms=180,
            ),
        ),
    ),
    status.RiskStatus(
        state=TradingState.ARMED,
        latches=(),
        gates=("feed of NXT is silent",),
        open_pairs=1,
        exposure_krw=355_000,
        realised_pnl_krw=682,
        marked_pnl_krw=-1_240,
        trips=1,
        intents=12,
        approvals=3,
        denials={"stale_quote": 9},
        cash_krw=50_000_682,
        cash_change_krw=682,
    ),
    status.ExecutorStatus(
        pairs=(PAIR_SEEN,),
        stranded=(),
        pairs_closed=3,
        clips=5,
        uncovered_krw_ms=146_260_000,
        neutral_ms_max=412,
    ),
    status.NotifierStatus(
        journal_lines=204_118,
        journal_lag_ms=35,
        alerts=4,
        delivered=4,
        failed=0,
        unacknowledged=(f"stranded-{PAIR_ID}",),
    ),
)
OTHERS = (
    supervision.SupervisorStatus(
        name="main", phase="running", pid=4_711, starts=2, ends=1, pulse_age_ms=180, memory_mb=212,
        halt="nobody", last_end="the connection to the broker is lost", windows=(), build_id="0123456789ab",
    ),
    lease.LeaseRenewed(state=TradingState.ARMED, risk_epoch=7, reference_hash=HASH),
    alerts.AlertRaised(
        alert_id=f"stranded-{PAIR_ID}", kind=alerts.AlertKind.STRANDED, severity=Severity.CRITICAL,
        title="2 shares of 005930 cannot be sold",
        detail="halted on both venues; bought for 142,000 won",
        next_step="Sell them by hand, then `arb residual resolve`.",
        symbol=SAMSUNG, pair_id=PAIR_ID, amount_krw=142_000, age_ms=3_100,
    ),
    dead.EntryBuried(
        stream_key="a stream", entry_id="1795397412345-0", service="risk",
        reason="unknown type 'Nonsense'", tries=1, text='{"type":"Nonsense"}',
    ),
)  # fmt: skip

EXAMPLES: dict[str, Message] = {
    type(message).__name__: message
    for message in (*TICKS, *VENUE, *INTENTS, *PAIRS, *COMMANDS, *ORDERS, *CONTROL, *STATUS, *OTHERS)
}
