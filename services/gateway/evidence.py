"""What the broker said about one order, in one shape, wherever it was said.

Real-time frames (Chejan) and query rows become `Evidence`; nothing else of them is used. A value
that a frame does not carry is None, never 0: a blank quantity says nothing. Words are those of the
closed lists in `services/market/broker_lists.py`; what no list has is in `strange`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.terms import OrderKind, Side, Symbol, Venue
from services.market.broker_lists import (
    ORDER_FRAME,
    ORDER_KINDS,
    ORDER_SIDES,
    ORDER_STATES,
    SIDE_CODES,
    VENUE_CODES,
    BrokerList,
    OrderState,
)
from services.market.hoga import OrderAction

CHEJAN_FIDS = tuple(ORDER_FRAME)
_FIGURES = ("주문수량", "주문가격", "미체결수량", "체결량", "체결누계금액", "당일매매수수료", "당일매매세금")
MOST_DIGITS = 18
"""No figure of the broker has more; what has is garbage, and more than a stored whole number holds."""


class Unusable(ValueError):
    """A frame or row that names no order, or holds text where a number belongs."""


class Blank(Unusable):
    """A frame or row that leaves out what makes it one: it says nothing, and the next may."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One order as seen once. `changes` is whether it is itself a cancel or an amendment.

    `kind` is None where the broker's word for it is blank or not known to us, `kind_is_ours` False where it
    names a kind that we never send. A query row has no `screen`, and a frame's account has been looked at
    before. `strange` names the list and the word of each word that its list does not have.
    """

    broker_order_no: str
    original_no: str
    symbol: Symbol
    venue: Venue | None
    side: Side
    qty_shares: int | None
    price_krw: int | None
    remaining_shares: int | None
    cum_qty_shares: int | None
    cum_amount_krw: int | None
    commission_krw: int
    tax_krw: int
    screen: str
    hhmmss: str
    cancels: bool = False
    amends: bool = False
    reason: str = ""
    by_query: bool = False
    kind: OrderKind | None = None
    kind_is_ours: bool = True
    state: OrderState | None = None
    strange: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> bool:
        return self.cancels or self.amends

    @property
    def rejected(self) -> bool:
        return self.state is OrderState.REJECTED

    @property
    def works(self) -> bool:
        """Whether shares may still fill: only a word that ends it says no, or that all of it filled."""
        filled = self.qty_shares is not None and 0 < self.qty_shares <= (self.cum_qty_shares or 0)
        return not (self.rejected or filled) and self.remaining_shares != 0

    @property
    def amount_named_krw(self) -> int | None:
        """The cumulative amount where it is named and the words beside it do not contradict it.

        Nothing is no amount of an order that the same frame or row calls filled.
        """
        filled = self.state is OrderState.FILLED or bool(self.cum_qty_shares)
        return None if filled and self.cum_amount_krw == 0 else self.cum_amount_krw

    def ends_below(self, filled_krw: int) -> bool:
        """Whether it tells of an end at a smaller amount than is known to have filled: that cannot be."""
        amount_krw = self.amount_named_krw
        return self.remaining_shares == 0 and amount_krw is not None and amount_krw < filled_krw

    @property
    def lacks_a_figure(self) -> bool:
        """Whether it tells of a fill or an end and does not say of how much, or in a word nobody knows."""
        tells = self.remaining_shares == 0 or self.state is OrderState.FILLED
        unnamed = tells and not self.changes and not self.rejected and self.amount_named_krw is None
        return unnamed or any(name == ORDER_STATES.name for name, _ in self.strange)


def from_chejan(values: Mapping[int, str]) -> Evidence:
    """Return what an order frame (gubun 0) says (Kiwoom sheet 2.5). Raises Unusable."""
    side, action = _side(_text(values, 905), _text(values, 907))
    state = ORDER_STATES.get(_text(values, 913))
    return Evidence(
        broker_order_no=order_no(_text(values, 9203)),
        original_no=original_no(_text(values, 904)),
        symbol=plain_code(_text(values, 9001)),
        venue=VENUE_CODES.get(_text(values, 2134)),
        side=side,
        qty_shares=number(_text(values, 900)),
        price_krw=number(_text(values, 901)),
        remaining_shares=number(_text(values, 902)),
        cum_qty_shares=number(_text(values, 911)),
        cum_amount_krw=number(_text(values, 903)),
        commission_krw=number(_text(values, 938)) or 0,
        tax_krw=number(_text(values, 939)) or 0,
        screen=_text(values, 920),
        hhmmss=_text(values, 908),
        cancels=action is OrderAction.CANCEL,
        amends=action is OrderAction.AMEND,
        reason=_text(values, 919) if state is OrderState.REJECTED else "",
        kind=ORDER_KINDS.get(_text(values, 906)),
        kind_is_ours=_ours(_text(values, 906)),
        state=state,
        strange=_strange(
            (ORDER_STATES, _text(values, 913)), (ORDER_KINDS, _text(values, 906)),
            (VENUE_CODES, _text(values, 2134)), (SIDE_CODES, _text(values, 907)),
        ),
    )  # fmt: skip


def from_row(row: Mapping[str, str]) -> Evidence:
    """Return what a row of OPT10075 or OPT10076 says (Kiwoom sheet 7). Raises Unusable.

    A row whose quantity is blank cannot be held against an order of ours, so that it is not usable.
    """
    side, action = _side(_word(row, "주문구분"), "")
    if number(_word(row, "주문수량")) is None:
        raise Blank("주문수량 is blank")
    return _of_row(row, side, action)


def readings(row: Mapping[str, str]) -> tuple[Evidence, ...]:
    """Return what a row that cannot be used may say of an order: nothing where it names no number or share.

    A figure that cannot be read may be any, and a side that cannot be read may be either.
    """
    shown = {name: text for name, text in row.items() if name not in _FIGURES or _is_figure(text)}
    try:
        sides: tuple[tuple[Side, OrderAction], ...] = (_side(_word(row, "주문구분"), ""),)
    except Unusable:
        sides = tuple((side, OrderAction.NEW) for side in Side)
    try:
        return tuple(_of_row(shown, side, action) for side, action in sides)
    except Unusable:
        return ()


def number_of_row(row: Mapping[str, str]) -> str:
    """Return the order number that a row names, empty where it names none."""
    try:
        return order_no(_word(row, "주문번호"))
    except Unusable:
        return ""


def _of_row(row: Mapping[str, str], side: Side, action: OrderAction) -> Evidence:
    return Evidence(
        broker_order_no=order_no(_word(row, "주문번호")),
        original_no=original_no(_word(row, "원주문번호")),
        symbol=plain_code(_word(row, "종목코드")),
        venue=VENUE_CODES.get(_word(row, "거래소구분")),
        side=side,
        qty_shares=number(_word(row, "주문수량")),
        price_krw=number(_word(row, "주문가격")),
        remaining_shares=number(_word(row, "미체결수량")),
        cum_qty_shares=number(_word(row, "체결량")),
        cum_amount_krw=number(_word(row, "체결누계금액")),
        commission_krw=number(_word(row, "당일매매수수료")) or 0,
        tax_krw=number(_word(row, "당일매매세금")) or 0,
        screen="",
        hhmmss=_word(row, "시간") or _word(row, "주문시간"),
        cancels=action is OrderAction.CANCEL,
        amends=action is OrderAction.AMEND,
        by_query=True,
        kind=ORDER_KINDS.get(_word(row, "매매구분")),
        kind_is_ours=_ours(_word(row, "매매구분")),
        state=ORDER_STATES.get(_word(row, "주문상태")),
        strange=_strange(
            (ORDER_STATES, _word(row, "주문상태")), (ORDER_KINDS, _word(row, "매매구분")),
            (VENUE_CODES, _word(row, "거래소구분")),
        ),
    )  # fmt: skip


def _side(words: str, code: str) -> tuple[Side, OrderAction]:
    """Return side and action by the word, which a code of another side contradicts. Raises Unusable."""
    if not words:
        raise Blank("the side is blank")
    known = ORDER_SIDES.get(words.lstrip("+-"))
    if known is None:
        raise Unusable(f"side {words!r} is no word of the broker's list")
    if SIDE_CODES.get(code) not in (None, known[0]):
        raise Unusable(f"side {words!r} and its code {code!r} contradict each other")
    return known


def _ours(kind: str) -> bool:
    """Whether an order of this kind may be ours: a blank or a strange word rules nothing out."""
    return kind not in ORDER_KINDS.members or ORDER_KINDS.get(kind) is not None


def _strange(*words: tuple[BrokerList[object], str]) -> tuple[tuple[str, str], ...]:
    return tuple((known.name, word) for known, word in words if known.lacks(word))


def order_no(text: str) -> str:
    """Return a broker's order number in its seven digits. Raises Unusable where there is none."""
    digits = text.strip()
    if not digits:
        raise Blank("the order number is blank")
    if not is_digits(digits) or int(digits) == 0:
        raise Unusable(f"{text!r} is not an order number")
    return digits.zfill(7)


def original_no(text: str) -> str:
    """Return the number of the order that a cancel or amendment names, empty where there is none."""
    digits = text.strip()
    return digits.zfill(7) if is_digits(digits) and int(digits) else ""


def plain_code(text: str) -> Symbol:
    """Return the code without the letter that accounts put before it (Kiwoom sheet 2.1). Raises Unusable
    where there is none."""
    code = text.strip().partition("_")[0]
    if not code:
        raise Blank("the share's code is blank")
    return Symbol(code[1:] if len(code) == 7 and code[0].isalpha() else code)


def is_of_account(text: str, account: str) -> bool | None:
    """Whether a frame or row is of this account, None where it names none. Raises Unusable for other text."""
    shown = text.strip()
    if shown and not is_digits(shown):
        raise Unusable(f"{text!r} is not an account")
    return shown == account if shown else None


def number(text: str) -> int | None:
    """Return an unsigned number, None for blank. Raises Unusable for other text, a bare sign included."""
    shown = text.strip()
    if not shown:
        return None
    digits = shown.lstrip("+-")
    if not is_digits(digits):
        raise Unusable(f"{text!r} is not a whole number")
    return int(digits)


def _is_figure(text: str) -> bool:
    shown = text.strip().lstrip("+-")
    return not text.strip() or is_digits(shown)


def is_digits(text: str) -> bool:
    """Whether a text is digits alone, as the broker writes them: of the other ones `int` takes some."""
    return text.isascii() and text.isdigit() and len(text.lstrip("0")) <= MOST_DIGITS


def _text(values: Mapping[int, str], fid: int) -> str:
    return values.get(fid, "").strip()


def _word(row: Mapping[str, str], name: str) -> str:
    return row.get(name, "").strip()
