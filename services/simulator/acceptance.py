"""Whether the broker takes an order: kinds by venue and session, price grid, limits, halts.

Every refusal is the text a person would read in OnReceiveMsg; cash and shares are the account's
business (Kiwoom sheet 4.4, market rules 4.2, 4.3).
"""

from services.contracts.terms import Market, SessionPhase, Side, Venue
from services.market.instruments import trades_in
from services.simulator.market.exchange import Exchange
from services.simulator.orders import Hoga, OrderRequest

NO_CASH = "[RC4025] 주문가능금액이 부족합니다"
NO_SHARES = "[RC4033] 매도가능수량이 부족합니다"
NO_ORIGINAL = "[RC4058] 정정/취소할 원주문이 없습니다"
BY_CHANCE = "[RC4007] 일시적으로 주문을 처리할 수 없습니다"

_RESTING = {
    Venue.KRX: (
        SessionPhase.OPENING_AUCTION,
        SessionPhase.CONTINUOUS,
        SessionPhase.CLOSING_AUCTION,
        SessionPhase.AFTER_MARKET,
    ),
    Venue.NXT: (
        SessionPhase.PRE_MARKET,
        SessionPhase.CONTINUOUS,
        SessionPhase.AFTER_INTAKE,
        SessionPhase.AFTER_MARKET,
    ),
}
_IMMEDIATE = {
    Venue.KRX: (SessionPhase.CONTINUOUS, SessionPhase.AFTER_MARKET),
    Venue.NXT: (SessionPhase.PRE_MARKET, SessionPhase.CONTINUOUS, SessionPhase.AFTER_MARKET),
}


def session_refusal(exchange: Exchange, code: str, venue: Venue, hoga: Hoga | None) -> str | None:
    """Why a new order of this kind cannot enter this venue now, or None when it can."""
    instrument = exchange.instruments[code]
    if venue not in instrument.stalls or (venue is Venue.NXT and instrument.delisted):
        return "[RC4050] NXT 거래 대상 종목이 아닙니다"
    if instrument.halted:
        return "[RC4041] 거래정지 종목입니다"
    if hoga is None or not _takes(exchange, instrument.listing.market, venue, hoga):
        return "[407022] 주문유형이 가능하지 않습니다"
    phases = _IMMEDIATE if hoga.immediate else _RESTING
    if exchange.phases[venue] not in phases[venue]:
        return "[RC4010] 해당 거래소의 주문 접수시간이 아닙니다"
    if hoga.immediate and instrument.stalls[venue].vi is not None:
        return "[RC4012] VI 발동 중에는 해당 주문유형이 가능하지 않습니다"
    return None


def _takes(exchange: Exchange, market: Market, venue: Venue, hoga: Hoga) -> bool:
    """Whether a venue takes a kind now: no market order on NXT or after hours (market rules 4.2)."""
    phase = exchange.phases[venue]
    if venue is Venue.NXT:
        return hoga.nxt and (exchange.options.nxt_takes_ioc or not hoga.immediate)
    return trades_in(market, venue, phase) and not (hoga.market and phase is SessionPhase.AFTER_MARKET)


def price_refusal(exchange: Exchange, request: OrderRequest, hoga: Hoga) -> str | None:
    """Why the price is not one an order may carry, or None."""
    ladder = exchange.instruments[request.code].ladder
    if hoga.market:
        return None if request.price_krw == 0 else "[RC4016] 시장가 주문은 가격을 입력할 수 없습니다"
    if not ladder.lower_krw <= request.price_krw <= ladder.upper_krw:
        return "[RC4017] 상하한가를 벗어난 가격입니다"
    return None if ladder.index_of(request.price_krw) is not None else "[RC4018] 호가단위 오류입니다"


def cancel_refusal(exchange: Exchange, venue: Venue, pause_takes_cancels: bool) -> str | None:
    """Why nothing can be cancelled or amended on that venue now, or None."""
    phase = exchange.phases[venue]
    paused = phase is SessionPhase.PAUSE and not pause_takes_cancels
    if phase is SessionPhase.CLOSED or (venue is Venue.NXT and paused):
        return "[RC4011] 정정/취소 접수시간이 아닙니다"
    return None


def limit_index(exchange: Exchange, code: str, side: Side, price_krw: int) -> int:
    """The ladder index up to which an order trades: its price, or the day's limit for price 0."""
    ladder = exchange.instruments[code].ladder
    if price_krw == 0:
        return ladder.top if side is Side.BUY else 0
    index = ladder.index_of(price_krw)
    if index is None:
        raise ValueError(f"{price_krw} is not a price of {code}")
    return index
