"""The closed lists of the broker: order states, sides, kinds, venues, codes and FIDs, each with its source.

Every reader of the broker's words looks here. A list says what a reader does with a member that it does not
have; such a word is counted and told to a person, and never taken for one that the list has.
`config/fid215.toml` and `config/hoga.toml` are two more such lists, which a person edits, and `hoga.py` holds
`nOrderType`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from services.contracts.terms import OrderKind, Side, Venue
from services.market.hoga import OrderAction

Member_co = TypeVar("Member_co", covariant=True)


@dataclass(frozen=True, slots=True)
class BrokerList(Generic[Member_co]):
    """Words of the broker and what each means. `unknown` is the rule for a word that is not among them."""

    name: str
    source: str
    unknown: str
    members: Mapping[str, Member_co]

    def get(self, word: str) -> Member_co | None:
        """Return what a word means, None where it is blank or not listed."""
        return self.members.get(word.strip())

    def lacks(self, word: str) -> bool:
        """Whether a word is there and not listed. A blank says nothing, so it lacks nothing."""
        return bool(word.strip()) and word.strip() not in self.members


class OrderState(StrEnum):
    """What the broker says became of an order, last."""

    RECEIVED = "received"
    FILLED = "filled"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


ORDER_STATES: Final = BrokerList(
    name="order_state",
    source="Kiwoom sheet 2.5 (FID 913) and 7 (주문상태); REST sheet 913",
    unknown="It neither confirms nor refuses nor ends anything. The figures beside it count, and the broker "
    "is asked for all orders.",
    members=MappingProxyType({
        "접수": OrderState.RECEIVED, "체결": OrderState.FILLED, "확인": OrderState.CONFIRMED,
        "취소": OrderState.CANCELLED, "거부": OrderState.REJECTED,
    }),
)  # fmt: skip

ORDER_SIDES: Final = BrokerList(
    name="order_side",
    source="Kiwoom sheet 2.5 (FID 905) and 7 (주문구분)",
    unknown="The frame or row cannot be used, and the broker is asked for all orders.",
    members=MappingProxyType({
        "매수": (Side.BUY, OrderAction.NEW), "매도": (Side.SELL, OrderAction.NEW),
        "매수정정": (Side.BUY, OrderAction.AMEND), "매도정정": (Side.SELL, OrderAction.AMEND),
        "매수취소": (Side.BUY, OrderAction.CANCEL), "매도취소": (Side.SELL, OrderAction.CANCEL),
    }),
)  # fmt: skip
"""A sign before the word says nothing more; the reader takes it off."""

SIDE_CODES: Final = BrokerList(
    name="side_code",
    source="Kiwoom sheet 2.5 (FID 907)",
    unknown="The side is the one that FID 905 names.",
    members=MappingProxyType({"1": Side.SELL, "2": Side.BUY}),
)

_NOT_OURS: Final = (
    # Kiwoom sheet 2.5, FID 906
    "조건부지정가", "최유리지정가", "최우선지정가", "시장가(IOC)", "최유리(IOC)", "보통(FOK)", "시장가(FOK)",
    "최유리(FOK)", "스톱지정가", "중간가", "중간가(IOC)", "중간가(FOK)", "장전시간외", "장후시간외",
    "시간외단일가",
    # the same kinds as other editions of the broker's text name them (SendOrder's guide, REST trde_tp)
    "최유리", "최우선", "조건부", "지정가FOK", "지정가(FOK)", "시장가IOC", "시장가FOK", "최유리IOC",
    "최유리FOK", "장시작전시간외", "장마감후시간외", "장개시전시간외", "장전시간외종가", "장후시간외종가",
    "시간외종가", "시간외단일가매매",
)  # fmt: skip

ORDER_KINDS: Final[BrokerList[OrderKind | None]] = BrokerList(
    name="order_kind",
    source="Kiwoom sheet 2.5 (FID 906), 4.4 and 7 (매매구분); REST sheet, trde_tp",
    unknown="It rules nothing out: an order that shows it may be ours.",
    members=MappingProxyType({
        "보통": OrderKind.LIMIT, "지정가": OrderKind.LIMIT, "시장가": OrderKind.MARKET,
        "보통(IOC)": OrderKind.LIMIT_IOC, "지정가(IOC)": OrderKind.LIMIT_IOC,
        "지정가IOC": OrderKind.LIMIT_IOC,
        **dict.fromkeys(_NOT_OURS, None),
    }),
)  # fmt: skip
"""None stands for a kind that we never send."""

VENUE_CODES: Final[BrokerList[Venue | None]] = BrokerList(
    name="venue_code",
    source="Kiwoom sheet 2.5 (FID 2134) and 4.1 (거래소구분)",
    unknown="The order may be on either venue.",
    members=MappingProxyType({"0": None, "1": Venue.KRX, "2": Venue.NXT}),
)
"""None stands for an order that the broker routes: it may be on either venue."""

VI_KINDS: Final = BrokerList(
    name="vi_kind",
    source="Kiwoom sheet 2.4 (FID 1225)",
    unknown="It is a volatility interruption like any other.",
    members=MappingProxyType({"정적": "static", "동적": "dynamic", "동적+정적": "both"}),
)

WARNINGS: Final = BrokerList(
    name="order_warning",
    source="Kiwoom sheet 1.1 (IsOrderWarningStock)",
    unknown="A purchase may raise a dialog, so that none is sent.",
    members=MappingProxyType({
        "0": False, "2": True, "3": True, "4": True, "5": True,
    }),
)  # fmt: skip
"""Whether a purchase raises a dialog."""

FRAME_KINDS: Final = BrokerList(
    name="frame_kind",
    source="Kiwoom sheet 1.2 (OnReceiveChejanData)",
    unknown="It may tell of orders: the broker is asked for all of them.",
    members=MappingProxyType({"0": "order", "1": "balance", "4": "derivative balance"}),
)

PAGES: Final = BrokerList(
    name="more_rows",
    source="Kiwoom sheet 1.2 (OnReceiveTrData, sPrevNext)",
    unknown="The answer is not whole: it counts as none.",
    members=MappingProxyType({"0": False, "2": True}),
)
"""Whether more rows wait. The control leaves it blank where none do."""

SERVERS: Final = BrokerList(
    name="server",
    source="Kiwoom sheet 1.1 (GetServerGubun)",
    unknown="It is the real server: the broker names only the simulated one.",
    members=MappingProxyType({"1": "simulated"}),
)

CLOSED_LISTS: Final[tuple[BrokerList[object], ...]] = (
    ORDER_STATES, ORDER_SIDES, SIDE_CODES, ORDER_KINDS, VENUE_CODES, VI_KINDS, WARNINGS, FRAME_KINDS, PAGES,
    SERVERS,
)  # fmt: skip

# -- return codes ---------------------------------------------------------------------------


class Sent(StrEnum):
    """What a return code of SendOrder says of the order."""

    LEFT = "left"
    NOT_SENT = "not_sent"
    RATE = "rate"
    UNKNOWN = "unknown"


SEND_FAILED, RATE_EXCEEDED = -307, -308

RETURN_CODES: Final = MappingProxyType({
    0: "ok",
    -10: "failed",
    -11: "no such condition number",
    -12: "condition number and name do not match",
    -13: "too many condition queries",
    -14: "too many realtime conditions",
    -15: "wrong venue",
    -16: "wrong condition name",
    -22: "the query failed",
    -100: "user information was not exchanged",
    -101: "cannot connect to the server",
    -102: "the version could not be processed",
    -103: "the personal firewall failed",
    -104: "the memory protection failed",
    -105: "wrong function input",
    -106: "the connection is closed",
    -107: "the security module failed",
    -108: "a login with a certificate is needed",
    -200: "query rate exceeded",
    -201: "the request structure is wrong",
    -202: "the request text is wrong",
    -203: "no data",
    -204: "more than 100 codes",
    -205: "the data was not received",
    -206: "more than 100 FIDs",
    -207: "a realtime removal failed",
    -209: "queries are restricted",
    -211: "too many account queries",
    -300: "wrong order input",
    -301: "the account's password is not registered",
    -302: "somebody else's account",
    -303: "the order's value is over 2 bn KRW",
    -304: "the order's value is over 5 bn KRW",
    -305: "over 1 % of the issued shares",
    -306: "over 3 % of the issued shares",
    -307: "the order could not be sent",
    -308: "order rate exceeded",
    -309: "over 300 contracts",
    -310: "over 500 contracts",
    -311: "orders are restricted",
    -340: "no account information",
    -500: "no such code",
})  # fmt: skip
"""Every code of Kiwoom sheet 6. One that is not here tells nothing: an order that returns it is unknown."""


def sent_by(code: int) -> Sent:
    """Return what SendOrder's return code says of the order (Kiwoom sheet 1.3 step 1, and 6).

    A code of the list says that nothing was sent, but for -307, after which the broker's books are asked.
    """
    if code == 0:
        return Sent.LEFT
    if code == RATE_EXCEEDED:
        return Sent.RATE
    return Sent.UNKNOWN if code == SEND_FAILED or code not in RETURN_CODES else Sent.NOT_SENT


def meaning(code: int) -> str:
    """Return a code in words, for people.

    >>> meaning(-302)
    "-302: somebody else's account"
    """
    return f"{code}: {RETURN_CODES.get(code, 'a code that no list has')}"


# -- FIDs ------------------------------------------------------------------------------------
# A FID that is not here is not read. One that is here and blank in a frame says nothing.

ORDER_FRAME: Final = MappingProxyType({
    9201: "account", 9203: "order number", 9001: "code", 913: "state", 900: "order quantity",
    901: "order price", 902: "remaining quantity", 903: "cumulative amount", 904: "original order number",
    905: "side in words", 906: "order kind", 907: "side", 908: "time", 909: "execution number",
    910: "fill price", 911: "cumulative filled quantity", 914: "price of this fill",
    915: "quantity of this fill", 938: "commission", 939: "tax", 919: "reason of a refusal",
    920: "screen", 2134: "venue", 2135: "venue in words", 2136: "routed by the broker", 819: "last frame",
})  # fmt: skip
"""주문체결, gubun 0 (Kiwoom sheet 2.5)."""

VI_FRAME: Final = MappingProxyType({
    9001: "code", 1221: "trigger price", 1223: "trigger time", 1224: "release time", 1225: "kind",
    1279: "combined text",
})  # fmt: skip
"""VI발동/해제 (Kiwoom sheet 2.4)."""

SESSION_FRAME: Final = MappingProxyType({215: "market status", 20: "time", 214: "time left"})
"""장시작시간 (Kiwoom sheet 3)."""

TRADE_FRAME: Final = MappingProxyType({10: "price", 15: "size, signed by the aggressor", 20: "time"})
"""주식체결 (Kiwoom sheet 2.3)."""

BOOK_TIME, ASK_PRICE, BID_PRICE, ASK_QTY, BID_QTY = 21, 41, 51, 61, 71
"""주식호가잔량 (Kiwoom sheet 2.2): the time, and the first of ten levels of each."""
