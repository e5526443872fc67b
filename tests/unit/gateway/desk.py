"""What the gateway's tests share: a state in the middle of a trading day, and facts to feed it."""

from dataclasses import dataclass, field
from typing import Any

from services.contracts.envelope import Envelope, Message
from services.contracts.in_force import Reference
from services.contracts.limits import COMMAND_TTL_MS, NS_PER_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import (
    FlattenRequested,
    FlattenStarted,
    ReferencePublished,
    StopRequested,
    TradingStateChanged,
)
from services.contracts.step import Received
from services.contracts.terms import (
    GatewayMode,
    OrderKind,
    Purpose,
    Side,
    Symbol,
    TradingDate,
    TradingState,
    Venue,
)
from services.contracts.trading_limits import TradingLimits
from services.gateway.core import decide, recovered
from services.gateway.effects import Effect, Exit, Query, ReadLogin, ReadMaster, Register, Send
from services.gateway.facts import (
    Answered,
    Clocked,
    Connected,
    Delivered,
    Fact,
    Forgotten,
    LeaseSeen,
    LoggedIn,
    MasterRead,
    Moment,
    OrderFramed,
    QueryReturned,
    SendReturned,
    Started,
)
from services.gateway.settings import GatewaySettings
from services.gateway.state import GatewayState, initial_state
from services.market.dates import midnight_wall_ns
from services.market.files import load_market, load_symbol_map
from services.market.market_clock import REAL_TIME
from services.runtime.parts import changed_parts, restore
from services.runtime.settings import config_dir
from services.simulator.outputs import listed

DATE = TradingDate("2026-11-23")
SYMBOL = Symbol("005930")
ACCOUNT = "8012345611"
BASE_KRW, LOWER_KRW, UPPER_KRW = 199_400, 139_600, 259_000
S = 1_000_000_000
MIDNIGHT_NS = midnight_wall_ns(DATE)


def at(hours: int, minutes: int = 0, seconds: int = 0) -> int:
    """Redis time of a time of day on the trading date."""
    return MIDNIGHT_NS + (hours * 3600 + minutes * 60 + seconds) * S


def reference() -> Reference:
    rules = load_market(config_dir())
    return Reference(
        trading_date=DATE,
        symbols=load_symbol_map(config_dir(), ("g1", "g2"))[:4],
        costs=rules.costs_by_market(DATE),
        limits=TradingLimits(clip_shares=20, max_pair_shares=100),
    )


_FILLS = listed()["OPT10076"].rows


@dataclass
class FakeBroker:
    """Answers of the broker to the gateway's calls, as rows and frames a test sets."""

    rows: list[dict[str, str]] = field(default_factory=list)
    holdings: dict[str, int] = field(default_factory=lambda: {SYMBOL: 0})
    """A row says that nothing is held: an answer without one counts at the second look."""
    answers: bool = True
    limits: bool = True
    """Whether it has the day's limits; without them it answers with no row."""

    def listed(self, query: Query) -> list[dict[str, str]]:
        """The orders that a query asks for: of the symbol that it names, and only what is open on demand."""
        inputs = dict(query.inputs)
        symbol, open_ = inputs.get("종목코드", ""), inputs.get("체결구분") == "1"
        return [
            row
            for row in self.rows
            if symbol in ("", row.get("종목코드", "").strip() or symbol)
            and not (open_ and row.get("미체결수량", "").strip() == "0")
        ]

    def reply(self, query: Query) -> Answered:
        tables: dict[str, tuple[dict[str, str], list[dict[str, str]]]] = {
            "OPT10075": ({}, self.listed(query)),
            "OPT10076": ({}, [_of_fills(row) for row in self.listed(query) if _ours(row)]),
            "OPW00001": ({"d+2추정예수금": "000000100000000", "100%종목주문가능금액": "000000090000000"}, []),
            "OPW00018": (
                {},
                [{"종목번호": f"A{s}", "보유수량": f"{q:015d}"} for s, q in self.holdings.items()],
            ),
            "OPTKWFID": ({}, [_band(code) for code in query.codes if self.limits]),
            "OPT10054": ({}, []),
        }
        single, rows = tables[query.trcode]
        return Answered(query.screen, query.rqname, query.trcode, False, single, tuple(rows))


def _ours(row: dict[str, str]) -> bool:
    """Whether a row is of the account that was asked for: OPT10076 lists no other and names none."""
    return row.get("계좌번호", ACCOUNT) == ACCOUNT


def _of_fills(row: dict[str, str]) -> dict[str, str]:
    """A row as OPT10076 has it, which lists less of an order than OPT10075 and names its time otherwise."""
    return {name: text for name, text in row.items() if name in _FILLS} | {"주문시간": row.get("시간", "")}


def _holding(symbol: str, qty_shares: int) -> dict[str, str]:
    return {"종목번호": f"A{symbol}", "보유수량": f"{qty_shares:015d}"}


def _band(code: str) -> dict[str, str]:
    return {"종목코드": code, "기준가": f" {BASE_KRW}", "하한가": f"-{LOWER_KRW}", "상한가": f"+{UPPER_KRW}"}


@dataclass
class Desk:
    """A gateway's core with its effects answered the way a well-behaved control would."""

    state: GatewayState
    now_ns: int
    broker: FakeBroker = field(default_factory=FakeBroker)
    said: list[Message] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    send_code: int = 0
    heard: int = 0
    unlisted: frozenset[Symbol] = frozenset()
    """Symbols that the control does not list for NXT."""
    halted: frozenset[Symbol] = frozenset()

    def feed(self, fact: Fact) -> None:
        step = decide(self.state, Moment(fact, self.now_ns, self.now_ns))
        self.state = step.state
        self.said += [out.message for out in step.out]
        for effect in step.effects:
            self.effects.append(effect)
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.sends.append(effect)
                self.feed(SendReturned(effect.order_id, self.send_code))
            case ReadLogin():
                self.feed(LoggedIn((ACCOUNT,), "1"))
            case ReadMaster(symbols):
                asked = frozenset(symbols)
                self.feed(MasterRead(asked, asked - self.unlisted, frozenset(), asked & self.halted))
            case Query():
                self.feed(QueryReturned(effect.rqname, 0))
                if self.broker.answers:
                    self.feed(self.broker.reply(effect))
            case Register() | Exit():
                pass

    def tick(self, seconds: float = 0.1, **facts: Any) -> None:
        self.now_ns += int(seconds * S)
        self.feed(Clocked(last_book_ns=dict.fromkeys(Venue, self.now_ns), **facts))

    def run(self, seconds: float, lease: bool = True, **facts: Any) -> None:
        for _ in range(int(seconds * 10)):
            if lease:
                self.lease()
            self.tick(0.1, **facts)

    def lease(self) -> None:
        """Renew as a risk does that is armed and goes by what is in force here."""
        self.feed(LeaseSeen(self.now_ns + 2 * S, self.state.reference_hash, TradingState.ARMED, 1))

    def hear(
        self, message: Message, message_id: str = "", event_ns: int | None = None, entry_id: str = ""
    ) -> None:
        envelope = Envelope.wrap(
            message, source="test", now_ns=self.now_ns, causation_id=message_id or f"m{len(self.said)}",
            event_ns=event_ns,
        )  # fmt: skip
        self.heard += 1
        entry_id = entry_id or f"{self.now_ns // NS_PER_MS + self.heard}-0"
        self.feed(Delivered(Received(envelope, "commands", entry_id, self.now_ns)))

    def flatten(self, symbol: str = "", asked_ms: int = 0) -> None:
        """A person asks to sell, and the executor's word that it does; `asked_ms` is of the request's id."""
        asked_ms = asked_ms or self.now_ns // NS_PER_MS + self.heard + 1
        self.flatten_started(self.flatten_asked(symbol, asked_ms), symbol, asked_ms)

    def flatten_asked(self, symbol: str = "", asked_ms: int = 0) -> str:
        """A person asks to sell: returns the request's id."""
        wish = FlattenRequested(symbol=symbol, by="kim", reason="t")
        cause = f"f{self.heard}"
        self.hear(wish, cause, entry_id=f"{asked_ms}-0" if asked_ms else "")
        return Envelope.wrap(wish, source="test", now_ns=self.now_ns, causation_id=cause).id

    def flatten_started(self, request_id: str, symbol: str = "", asked_ms: int = 0) -> None:
        """The executor's word that it obeys a request."""
        asked_ns = (asked_ms or self.now_ns // NS_PER_MS + self.heard + 1) * NS_PER_MS
        self.hear(FlattenStarted(symbol=symbol, by="kim", reason="t", asked_ns=asked_ns), request_id)

    def trading(self, state: TradingState, name: str = "") -> None:
        """Risk's word, which has taken in every stop that was heard here."""
        stop_id = self.state.control.word.stop_id
        word = TradingStateChanged(state=state, by="t", reason="t", latches=(), stop_id=stop_id)
        self.hear(word, name or f"word{self.heard}")

    def told(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.said if isinstance(message, kind)]

    def frame(self, **values: str) -> None:
        self.feed(OrderFramed({int(name[1:]): value for name, value in values.items()}))

    def feed_forgotten(self) -> None:
        """Redis forgot something: all is told again, and the broker is asked for all orders."""
        self.feed(Forgotten())
        self.run(1)

    def answer(self, send: Send, number: str) -> None:
        self.feed(Answered(send.args[1], send.args[0], "KOA_NORMAL_BUY_KP_ORD", False, {"주문번호": number}))


def order(now_ns: int, **changes: Any) -> PlaceOrder:
    """An entry of 10 shares on KRX at a price inside every bound, unless changed."""
    fields: dict[str, Any] = {
        "order_id": "P1.1.b.1", "pair_id": "P1", "symbol": SYMBOL, "venue": Venue.KRX, "side": Side.BUY,
        "kind": OrderKind.LIMIT_IOC, "purpose": Purpose.ENTRY, "qty_shares": 10, "price_krw": 199_500,
        "reference_price_krw": 199_400, "expires_at_ns": now_ns + COMMAND_TTL_MS * NS_PER_MS,
    }  # fmt: skip
    return PlaceOrder(**{**fields, **changes})


def exit_order(now_ns: int, **changes: Any) -> PlaceOrder:
    """A sell of the same pair on NXT, unless changed."""
    defaults = {
        "order_id": "P1.1.s.1", "venue": Venue.NXT, "side": Side.SELL, "purpose": Purpose.EXIT,
        "price_krw": 199_300,
    }  # fmt: skip
    return order(now_ns, **{**defaults, **changes})


def chejan(
    send: Send, number: str, status: str, *, remaining: int, cum: int = 0, amount: int = 0, last: str = "",
    screen: str | None = None, **more: str,
) -> dict[str, str]:  # fmt: skip
    """An order frame for what was sent, FIDs as keyword names; without a time unless one is given."""
    _, own_screen, account, order_type, code, qty, price, _, original = send.args
    sell = order_type in (2, 22)
    filled = status == "체결"
    return {
        "f9201": account, "f9203": number, "f9001": f"A{code}", "f913": status, "f900": str(qty),
        "f901": str(price), "f902": str(remaining), "f903": str(amount), "f904": original or "0000000",
        "f905": "-매도" if sell else "+매수", "f907": "1" if sell else "2", "f908": "",
        "f911": str(cum) if filled else "", "f938": str(amount * 15 // 100_000), "f939": "0",
        "f920": own_screen if screen is None else screen, "f2134": "2" if order_type > 20 else "1", **more,
    }  # fmt: skip


def fresh(mode: GatewayMode = GatewayMode.SIMULATED, now_ns: int | None = None, **settings: Any) -> Desk:
    """A gateway that has just started, at 10:00."""
    chosen = GatewaySettings(mode=mode, **settings)
    state = initial_state(chosen, load_market(config_dir()), REAL_TIME)
    return Desk(recovered(state, [], DATE), now_ns or at(10))


def restarted(desk: Desk, date: TradingDate = DATE) -> Desk:
    """The next process, with what the one before had stored, as text."""
    first = fresh().state
    state = recovered(restore(first, changed_parts(None, desk.state)), [], date)
    return Desk(state, desk.now_ns, desk.broker)


def stop(desk: Desk, target: TradingState = TradingState.HALTED) -> None:
    desk.hear(StopRequested(target=target, by="lee", reason="t"), f"stop{desk.heard}")


def on_its_way(desk: Desk, state: TradingState) -> None:
    """Risk's word from before it has taken in the last stop."""
    word = TradingStateChanged(state=state, by="kim", reason="t", latches=(), stop_id="earlier")
    desk.hear(word, f"word{desk.heard}")


def log_in(desk: Desk) -> Desk:
    desk.feed(Started())
    desk.feed(Connected(0))
    return desk


def ready(desk: Desk) -> Desk:
    desk.feed(Started())
    desk.hear(
        ReferencePublished(reference=reference(), reference_hash=reference().hash, by="t", reason="t"), "ref"
    )
    desk.feed(Connected(0))
    desk.trading(TradingState.ARMED, "armed")
    desk.run(3)
    desk.lease()
    return desk
