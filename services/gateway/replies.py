"""Which fields of each answer are read, and the queries that the gateway asks (Kiwoom sheet 7)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.contracts.messages.venue_state import PriceBand
from services.contracts.terms import Symbol
from services.gateway.evidence import Blank, Unusable, number, plain_code
from services.gateway.query_desk import Ask

ORDER_NO_FIELD = "주문번호"
ACCOUNT_FIELD = "계좌번호"
CODES_PER_REQUEST = 100
SYMBOLS_AT_ONCE = 3
"""Orders of more symbols than these are asked for with the newest of the day."""
NEWEST_PAGES = 3
"""So many pages of the day's orders are read: what they leave out is asked for by what is in question."""
_EVERY, _OPEN = "0", "1"
"""체결구분: all orders, or what is open (Kiwoom sheet 7)."""
_ORDER_FIELDS = (
    "주문번호", "종목코드", "주문상태", "주문수량", "주문가격", "미체결수량", "체결누계금액", "원주문번호",
    "주문구분", "매매구분", "시간", "체결량", "당일매매수수료", "당일매매세금", "거래소구분",
)  # fmt: skip
_FILL_FIELDS = (*(name for name in _ORDER_FIELDS if name not in ("시간", "체결누계금액")), "주문시간")
"""OPT10076 has no cumulative amount: an order of which it tells more than OPT10075 is asked for again."""


@dataclass(frozen=True, slots=True)
class Fields:
    single: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


FIELDS: Mapping[str, Fields] = {
    "OPT10075": Fields(rows=(ACCOUNT_FIELD, *_ORDER_FIELDS)),
    "OPT10076": Fields(rows=_FILL_FIELDS),
    "OPW00001": Fields(single=("d+2추정예수금", "주문가능금액", "100%종목주문가능금액")),
    "OPW00018": Fields(rows=("종목번호", "보유수량", "매매가능수량")),
    "OPTKWFID": Fields(rows=("종목코드", "기준가", "상한가", "하한가")),
    "OPT10054": Fields(),
}


def orders_of_day(account: str, symbol: str = "") -> tuple[Ask, ...]:
    """All orders of the day, dead ones included, and all fills; those of one symbol where it is named."""
    only = "1" if symbol else "0"
    return (
        _orders(account, symbol),
        Ask("OPT10076", (("종목코드", symbol), ("조회구분", only), ("매도수구분", "0"),
                         ("계좌번호", account), ("비밀번호", ""), ("주문번호", ""), ("체결구분", "0"),
                         ("거래소구분", "0"))),
    )  # fmt: skip


def orders_of_symbols(account: str, symbols: Collection[str]) -> tuple[Ask, ...]:
    """The orders of a few symbols, one after the other; of many, or of none in particular, the newest."""
    if not 0 < len(symbols) <= SYMBOLS_AT_ONCE:
        return newest_orders(account, symbols)
    return tuple(ask for symbol in sorted(symbols) for ask in orders_of_day(account, symbol))


def newest_orders(account: str, symbols: Collection[str]) -> tuple[Ask, ...]:
    """All orders of the day where few pages hold them; else the newest, all that are open, and those of the
    `symbols` in question.

    A page holds 100 rows: on a busy day all of them take minutes at the broker's pace (Kiwoom sheet 5.1).
    """
    day, fills = orders_of_day(account)
    open_ = replace(_orders(account, state=_OPEN), while_any="미체결수량")
    in_question = (_orders(account, symbol) for symbol in sorted(symbols))
    instead = (replace(ask, instead=True) for ask in (open_, *in_question))
    return (replace(day, pages=NEWEST_PAGES), fills, *instead)


def _orders(account: str, symbol: str = "", state: str = _EVERY) -> Ask:
    only = "1" if symbol else "0"
    return Ask("OPT10075", (("계좌번호", account), ("전체종목구분", only), ("매매구분", "0"),
                            ("종목코드", symbol), ("체결구분", state), ("거래소구분", "0")))  # fmt: skip


def named_symbols(asks: Iterable[Ask]) -> frozenset[str]:
    """Return the symbols whose orders are asked for by name; the empty text for every symbol."""
    return frozenset(dict(ask.inputs)["종목코드"] for ask in asks if ask.trcode == "OPT10075")


def asked_symbols(asks: Iterable[Ask]) -> frozenset[str] | None:
    """Return the symbols all of whose orders were asked for, None where it was those of every symbol."""
    named = named_symbols(ask for ask in asks if ("체결구분", _EVERY) in ask.inputs)
    return None if "" in named else named


def account_now(account: str) -> tuple[Ask, ...]:
    """Cash and holdings. The password is the one registered in the client (Kiwoom sheet 5.4)."""
    secret = (("비밀번호", ""), ("비밀번호입력매체구분", "00"))
    return (
        Ask("OPW00001", (("계좌번호", account), *secret, ("조회구분", "3"))),
        Ask("OPW00018", (("계좌번호", account), *secret, ("조회구분", "2"), ("국내거래소구분", ""))),
    )


def limits_of_day(symbols: Sequence[Symbol]) -> tuple[Ask, ...]:
    """Price bands, 100 symbols a request."""
    pages = [tuple(symbols[at : at + CODES_PER_REQUEST]) for at in range(0, len(symbols), CODES_PER_REQUEST)]
    return tuple(Ask("OPTKWFID", codes=page) for page in pages)


def interruptions() -> tuple[Ask, ...]:
    """The query that switches VI frames on for as long as the connection lasts (Kiwoom sheet 2.4)."""
    vi = tuple(
        (name, "0") for name in ("시장구분", "장전구분", "발동구분", "거래량구분", "거래대금구분", "발동방향")
    )
    everything = (("종목코드", ""), ("제외종목", "000000000"), ("최소거래량", ""), ("최대거래량", ""),
                  ("최소거래대금", ""), ("최대거래대금", ""), ("거래소구분", "3"))  # fmt: skip
    return (Ask("OPT10054", (*vi, *everything)),)


def bands(rows: Sequence[Mapping[str, str]]) -> tuple[dict[Symbol, PriceBand], list[str]]:
    """Return the day's limits by symbol, and what is wrong with rows that cannot be read.

    A row without all three figures is left out, and asked for again: no band means no entry.
    """
    found, problems = {}, []
    for row in rows:
        code = row.get("종목코드", "").strip()
        try:
            figures = [number(row.get(name, "")) for name in ("기준가", "하한가", "상한가")]
            symbol = plain_code(code)
        except Unusable as problem:
            problems.append(f"the price limits of {code!r} cannot be read: {problem}")
            continue
        base_krw, lower_krw, upper_krw = (figure or 0 for figure in figures)
        if 0 < lower_krw <= base_krw <= upper_krw:
            found[symbol] = PriceBand(base_krw=base_krw, lower_krw=lower_krw, upper_krw=upper_krw)
        elif None not in figures:
            problems.append(f"the price limits of {code!r} are none: {lower_krw}, {base_krw}, {upper_krw}")
    return found, problems


def cash(single: Mapping[str, str]) -> tuple[int, int]:
    """Return (deposit after today's trades are settled, orderable at 100 % margin). Raises Unusable.

    The deposit of today (예수금) holds no trade of today: it never stands in for the settled one.
    """
    settled = signed(single, "d+2추정예수금")
    orderable = signed(single, "100%종목주문가능금액", "주문가능금액")
    return settled, orderable


def holdings(rows: Sequence[Mapping[str, str]]) -> dict[Symbol, int]:
    """Return shares held by symbol; symbols sold out are left out. Raises Unusable."""
    held: dict[Symbol, int] = {}
    for row in rows:
        symbol, qty_shares = plain_code(row.get("종목번호", "")), number(row.get("보유수량", ""))
        if qty_shares is None:
            raise Blank(f"the holding of {symbol} is blank")
        held[symbol] = held.get(symbol, 0) + qty_shares
    return {symbol: qty for symbol, qty in held.items() if qty}


def signed(single: Mapping[str, str], *names: str) -> int:
    """Return the first of the named amounts that is there, with its sign. Raises Unusable."""
    for name in names:
        text = single.get(name, "").strip()
        if text:
            amount = number(text) or 0
            return -amount if text.startswith("-") else amount
    raise Blank(f"the answer has no {' or '.join(names)}")
