"""An order as the broker knows it, and the broker's vocabulary for orders (Kiwoom sheet 4.3, 4.4)."""

from dataclasses import dataclass, field
from enum import StrEnum

from services.contracts.terms import Side, Venue
from services.simulator.account import OrderMoney


class Action(StrEnum):
    NEW = "new"
    CANCEL = "cancel"
    AMEND = "amend"


@dataclass(frozen=True, slots=True)
class Hoga:
    """How an order kind behaves. `nxt`: whether NXT takes it in its main market."""

    text: str
    market: bool = False
    immediate: bool = False
    all_or_none: bool = False
    nxt: bool = True


HOGA: dict[str, Hoga] = {
    "00": Hoga("보통"),
    "03": Hoga("시장가", market=True, nxt=False),
    "10": Hoga("보통(IOC)", immediate=True),
    "13": Hoga("시장가(IOC)", market=True, immediate=True, nxt=False),
    "20": Hoga("보통(FOK)", immediate=True, all_or_none=True),
    "23": Hoga("시장가(FOK)", market=True, immediate=True, all_or_none=True, nxt=False),
}

ORDER_TYPES: dict[int, tuple[Action, Venue, Side | None]] = {
    1: (Action.NEW, Venue.KRX, Side.BUY),
    2: (Action.NEW, Venue.KRX, Side.SELL),
    3: (Action.CANCEL, Venue.KRX, Side.BUY),
    4: (Action.CANCEL, Venue.KRX, Side.SELL),
    5: (Action.AMEND, Venue.KRX, Side.BUY),
    6: (Action.AMEND, Venue.KRX, Side.SELL),
    21: (Action.NEW, Venue.NXT, Side.BUY),
    22: (Action.NEW, Venue.NXT, Side.SELL),
    23: (Action.CANCEL, Venue.NXT, None),
    25: (Action.AMEND, Venue.NXT, None),
}
"""nOrderType to action, venue and side. NXT has one cancel and one amend number for both sides."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What SendOrder carried, with when it was received."""

    session: int | None
    rqname: str
    screen: str
    order_type: int
    code: str
    qty_shares: int
    price_krw: int
    hoga: str
    original: str
    received_ns: int

    @property
    def by_hand(self) -> bool:
        return self.session is None


@dataclass(frozen=True, slots=True)
class Fill:
    execution_no: int
    qty_shares: int
    price_krw: int
    ts_ns: int
    hhmmss: str
    cash_krw: int = 0
    """What the account held in cash after it, and of the symbol in shares."""
    held_shares: int = 0


@dataclass(slots=True)
class Order:
    """An accepted order. A cancel is an order of its own, with a number and nothing open."""

    number: int
    request: OrderRequest
    action: Action
    venue: Venue
    side: Side
    hoga: Hoga
    price_krw: int
    qty_shares: int
    money: OrderMoney
    hhmmss: str
    original: int = 0
    status: str = "접수"
    closed: str = ""
    """Why nothing is open any more: filled, cancelled, amended, killed, expired, rejected."""
    silent: bool = False
    """None of its frames reach the control (a fault)."""
    fills: list[Fill] = field(default_factory=list)

    @property
    def code(self) -> str:
        return self.request.code

    @property
    def remaining_shares(self) -> int:
        return self.money.open_shares

    @property
    def is_open(self) -> bool:
        return not self.closed

    @property
    def number_text(self) -> str:
        return f"{self.number:07d}"

    @property
    def original_text(self) -> str:
        return f"{self.original:07d}"

    @property
    def side_text(self) -> str:
        """The text of FID 905."""
        name = "매수" if self.side is Side.BUY else "매도"
        if self.action is Action.CANCEL:
            return f"{name}취소"
        if self.action is Action.AMEND:
            return f"{name}정정"
        return f"+{name}" if self.side is Side.BUY else f"-{name}"
