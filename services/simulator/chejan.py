"""The frames of OnReceiveChejanData, with the FIDs and texts of the real control (Kiwoom sheet 2.5, 2.6)."""

from dataclasses import dataclass

from services.contracts.terms import Side, Venue
from services.simulator.account import Holding
from services.simulator.frames import price_text
from services.simulator.orders import Action, Fill, Order

Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class Touch:
    """The price state of the order's venue when the frame is made."""

    last_krw: int
    ask_krw: int
    bid_krw: int
    base_krw: int
    upper_krw: int
    lower_krw: int


def order_frame(
    account: str,
    name: str,
    order: Order,
    status: str,
    at: str,
    touch: Touch,
    fill: Fill | None,
    venue_fids: bool,
) -> Values:
    """Gubun 0. `fill` is the execution the frame reports, None for every other status."""
    sell = order.side is Side.SELL
    by_hand = order.request.by_hand
    values = {
        "9201": account,
        "9203": order.number_text,
        "9205": " " * 8,
        "9001": f"A{order.code}",
        "912": "JJ",
        "913": f"{status:<6}",
        "302": f"{name:<20}",
        "900": str(order.qty_shares),
        "901": str(0 if order.hoga.market else order.price_krw),
        "902": str(order.remaining_shares),
        "903": str(order.money.amount_krw),
        "904": order.original_text,
        "905": f"{order.side_text:<6}",
        "906": f"{order.hoga.text:<10}",
        "907": "1" if sell else "2",
        "908": at,
        "909": str(fill.execution_no) if fill else "",
        "910": str(fill.price_krw) if fill else "",
        "911": str(order.money.filled_shares) if fill else "",
        **_prices(touch),
        "914": str(fill.price_krw) if fill else "",
        "915": str(fill.qty_shares) if fill else "",
        "938": str(order.money.commission_krw),
        "939": str(order.money.tax_krw),
        "919": "0",
        "920": "9999" if by_hand else order.request.screen,
        "921": "HTS0001" if by_hand else "0000007",
        "922": "00",
        "923": "00000000",
    }
    values.update(_venue(order, venue_fids))
    return values


def _venue(order: Order, known: bool) -> Values:
    if not known:
        return {"2134": "", "2135": "", "2136": ""}
    number = "1" if order.venue is Venue.KRX else "2"
    return {"2134": number, "2135": f"{order.venue.value:<6}", "2136": "N"}


def _prices(touch: Touch) -> Values:
    base = touch.base_krw
    return {
        "10": price_text(touch.last_krw, base),
        "27": price_text(touch.ask_krw, base),
        "28": price_text(touch.bid_krw, base),
    }


def balance_frame(account: str, name: str, order: Order, holding: Holding, touch: Touch) -> Values:
    """Gubun 1: the pooled holding after a fill; it names no venue."""
    base = touch.base_krw
    return {
        "9201": account,
        "9001": f"A{order.code}",
        "917": "00",
        "916": "00000000",
        "302": f"{name:<20}",
        **_prices(touch),
        "930": str(holding.qty_shares),
        "931": str(holding.average_krw),
        "932": str(holding.cost_krw),
        "933": str(holding.sellable_shares),
        "945": str(holding.bought_today - holding.sold_today),
        "946": "1" if order.side is Side.SELL else "2",
        "950": str(holding.realised_krw),
        "951": "0",
        "307": str(base),
        "8019": "0.00",
        "957": "0",
        "958": "0",
        "918": "00000000",
        "990": str(holding.realised_krw),
        "991": "0.00",
        "992": "0",
        "993": "0.00",
        "305": price_text(touch.upper_krw, base),
        "306": price_text(touch.lower_krw, base),
    }


def order_trcode(order_action: Action, side: Side, kosdaq: bool, venue: Venue) -> str:
    """The TR code that an order's answer carries; those of NXT are not known (Kiwoom sheet 1.3)."""
    family = "KOA_NORMAL" if venue is Venue.KRX else "KOA_NXT"
    market = "KQ" if kosdaq else "KP"
    if order_action is Action.NEW:
        return f"{family}_{'BUY' if side is Side.BUY else 'SELL'}_{market}_ORD"
    return f"{family}_{market}_{'CANCEL' if order_action is Action.CANCEL else 'MODIFY'}"
