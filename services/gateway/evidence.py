"""What the broker said about one order, in one shape, wherever it was said.

Real-time frames (Chejan) and query rows become `Evidence`; nothing else of them is used. A value
that a frame does not carry is None, never 0: a blank quantity says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.terms import OrderKind, Side, Symbol, Venue

CHEJAN_FIDS = (
    9201, 9203, 9001, 913, 900, 901, 902, 903, 904, 905, 906, 907, 908, 909, 910, 911, 914, 915,
    938, 939, 919, 920, 2134, 2135, 2136, 819,
)  # fmt: skip
BALANCE_FIDS = (9201, 9001, 930, 933)
MOST_DIGITS = 18
"""No figure of the broker has more; what has is garbage, and more than a stored whole number holds."""
_REJECTED = "거부"
_CANCEL, _AMEND = "취소", "정정"
_VENUES = {"1": Venue.KRX, "2": Venue.NXT}
_KINDS = {"보통": OrderKind.LIMIT, "보통(IOC)": OrderKind.LIMIT_IOC, "시장가": OrderKind.MARKET}
_KINDS_NOT_OURS = frozenset({
    "조건부지정가", "최유리지정가", "최우선지정가", "시장가(IOC)", "최유리(IOC)", "보통(FOK)", "시장가(FOK)",
    "최유리(FOK)", "스톱지정가", "중간가", "중간가(IOC)", "중간가(FOK)", "장전시간외", "장후시간외",
    "시간외단일가",
})  # fmt: skip
"""Kinds that we never send (Kiwoom sheet 2.5, FID 906). A text that the sheet does not know says nothing."""


class Unusable(ValueError):
    """A frame or row that names no order, or holds text where a number belongs."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One order as seen once. `changes` is whether it is itself a cancel or an amendment.

    `kind` is None where the broker's word for it is blank or not known to us, `kind_is_ours` False where it
    names a kind that we never send. A query row has no `screen`.
    """

    broker_order_no: str
    original_no: str
    symbol: Symbol
    venue: Venue | None
    side: Side
    qty_shares: int
    price_krw: int
    remaining_shares: int | None
    cum_qty_shares: int | None
    cum_amount_krw: int | None
    commission_krw: int
    tax_krw: int
    screen: str
    hhmmss: str
    cancels: bool = False
    amends: bool = False
    rejected: bool = False
    reason: str = ""
    by_query: bool = False
    kind: OrderKind | None = None
    kind_is_ours: bool = True

    @property
    def changes(self) -> bool:
        return self.cancels or self.amends


def from_chejan(values: Mapping[int, str]) -> Evidence:
    """Return what an order frame (gubun 0) says (Kiwoom sheet 2.5). Raises Unusable."""
    side_text = _text(values, 905)
    side_code = _text(values, 907)
    side = Side.SELL if side_code == "1" or (side_code != "2" and "매도" in side_text) else Side.BUY
    rejected = _text(values, 913) == _REJECTED
    return Evidence(
        broker_order_no=order_no(_text(values, 9203)),
        original_no=original_no(_text(values, 904)),
        symbol=plain_code(_text(values, 9001)),
        venue=_VENUES.get(_text(values, 2134)),
        side=side,
        qty_shares=number(_text(values, 900)) or 0,
        price_krw=number(_text(values, 901)) or 0,
        remaining_shares=number(_text(values, 902)),
        cum_qty_shares=number(_text(values, 911)),
        cum_amount_krw=number(_text(values, 903)),
        commission_krw=number(_text(values, 938)) or 0,
        tax_krw=number(_text(values, 939)) or 0,
        screen=_text(values, 920),
        hhmmss=_text(values, 908),
        cancels=_CANCEL in side_text,
        amends=_AMEND in side_text,
        rejected=rejected,
        reason=_text(values, 919) if rejected else "",
        kind=_KINDS.get(_text(values, 906)),
        kind_is_ours=_text(values, 906) not in _KINDS_NOT_OURS,
    )


def from_row(row: Mapping[str, str]) -> Evidence:
    """Return what a row of OPT10075 or OPT10076 says (Kiwoom sheet 7). Raises Unusable."""
    side_text = row.get("주문구분", "").strip()
    if "매수" not in side_text and "매도" not in side_text:
        raise Unusable(f"주문구분 {side_text!r} names neither 매수 nor 매도")
    filled = number(row.get("체결량", ""))
    return Evidence(
        broker_order_no=order_no(row.get("주문번호", "")),
        original_no=original_no(row.get("원주문번호", "")),
        symbol=plain_code(row.get("종목코드", "")),
        venue=_VENUES.get(row.get("거래소구분", "").strip()),
        side=Side.SELL if "매도" in side_text else Side.BUY,
        qty_shares=number(row.get("주문수량", "")) or 0,
        price_krw=number(row.get("주문가격", "")) or 0,
        remaining_shares=number(row.get("미체결수량", "")),
        cum_qty_shares=0 if filled is None else filled,
        cum_amount_krw=number(row.get("체결누계금액", "")),
        commission_krw=number(row.get("당일매매수수료", "")) or 0,
        tax_krw=number(row.get("당일매매세금", "")) or 0,
        screen="",
        hhmmss=(row.get("시간") or row.get("주문시간") or "").strip(),
        cancels=_CANCEL in side_text,
        amends=_AMEND in side_text,
        rejected=row.get("주문상태", "").strip() == _REJECTED,
        by_query=True,
        kind=_KINDS.get(row.get("매매구분", "").strip()),
        kind_is_ours=row.get("매매구분", "").strip() not in _KINDS_NOT_OURS,
    )


def order_no(text: str) -> str:
    """Return a broker's order number in its seven digits. Raises Unusable where there is none."""
    digits = text.strip()
    if not is_digits(digits) or int(digits) == 0:
        raise Unusable(f"{text!r} is not an order number")
    return digits.zfill(7)


def original_no(text: str) -> str:
    """Return the number of the order that a cancel or amendment names, empty where there is none."""
    digits = text.strip()
    return digits.zfill(7) if is_digits(digits) and int(digits) else ""


def plain_code(text: str) -> Symbol:
    """Return the six-character code without the letter that accounts put before it (Kiwoom sheet 2.1)."""
    code = text.strip().partition("_")[0]
    return Symbol(code[1:] if len(code) == 7 and code[0].isalpha() else code)


def number(text: str) -> int | None:
    """Return an unsigned number, None for blank. Raises Unusable for other text, a bare sign included."""
    shown = text.strip()
    if not shown:
        return None
    digits = shown.lstrip("+-")
    if not is_digits(digits):
        raise Unusable(f"{text!r} is not a whole number")
    return int(digits)


def is_digits(text: str) -> bool:
    """Whether a text is digits alone, as the broker writes them: of the other ones `int` takes some."""
    return text.isascii() and text.isdigit() and len(text.lstrip("0")) <= MOST_DIGITS


def _text(values: Mapping[int, str], fid: int) -> str:
    return values.get(fid, "").strip()
