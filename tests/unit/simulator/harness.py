"""A desk in virtual time: a world and an emulated control in one thread, joined by the real wire format."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.contracts.terms import Market, SessionPhase, TradingDate, Venue
from services.market.files import load_market
from services.simulator.control_core import ControlCore
from services.simulator.day import SECOND_NS, TradingDay
from services.simulator.events import event_to_wire
from services.simulator.latency import LatencyOptions
from services.simulator.market.instrument import Listing
from services.simulator.options import FaultOptions, SimulatorOptions, WorldOptions
from services.simulator.sessions import Session
from services.simulator.wire import decode, encode
from services.simulator.world import World

CONFIG = Path(__file__).parents[3] / "config"
RULES = load_market(CONFIG)
DATE = TradingDate("2026-11-23")
COSTS = {market: RULES.costs.costs_of(DATE, market) for market in Market}
ACCOUNT = "8012345611"
START_NS = 1_000_000_000 * SECOND_NS
MS = 1_000_000
HOUR_NS = 3600 * SECOND_NS

SAMSUNG = Listing("005930", "삼성전자", Market.KOSPI, 199_400)
HYNIX = Listing("000660", "SK하이닉스", Market.KOSPI, 1_007_000)
KOSDAQ = Listing("247540", "에코프로비엠", Market.KOSDAQ, 150_000)
KRX_ONLY = Listing("069500", "코덱스200", Market.KOSPI, 40_000, nxt=False)
LISTINGS = [SAMSUNG, HYNIX, KOSDAQ, KRX_ONLY]

QUIET = WorldOptions(crosses_per_symbol_min=0.0, drift_rate=0.0, lag_rate=0.0, wide_rate=0.0, trade_rate=0.0)
"""A market that stands still: the best prices are the base price and one tick above it."""
PROMPT = LatencyOptions(
    feed_ms=(1, 1, 1), order_ms=(5, 5, 5), report_ms=(1, 1, 1), line_ms=(4, 4, 4), query_ms=(5, 5, 5),
    login_ms=(5, 5, 5), frames_per_s=0,
)  # fmt: skip
"""Short ways, and a frame for every change."""


@dataclass(frozen=True)
class Span:
    start_ns: int
    end_ns: int
    phase: SessionPhase


@dataclass(frozen=True)
class Spans:
    """A timetable made for a test."""

    krx: tuple[Span, ...]
    nxt: tuple[Span, ...]

    def segments(self, venue: Venue) -> tuple[Span, ...]:
        return self.krx if venue is Venue.KRX else self.nxt


def continuous(hours: int = 24) -> Spans:
    whole = (Span(0, hours * HOUR_NS, SessionPhase.CONTINUOUS),)
    return Spans(whole, whole)


def phases(krx: list[tuple[int, SessionPhase]], nxt: list[tuple[int, SessionPhase]]) -> Spans:
    """Spans from (length in seconds, phase) from midnight on."""

    def spans(parts: list[tuple[int, SessionPhase]]) -> tuple[Span, ...]:
        found, start = [], 0
        for length, phase in parts:
            found.append(Span(start, start + length * SECOND_NS, phase))
            start += length * SECOND_NS
        return tuple(found)

    return Spans(spans(krx), spans(nxt))


@dataclass
class Desk:
    """`call` a method of the control; `run` lets time pass and records what the events showed."""

    options: SimulatorOptions = field(default_factory=lambda: SimulatorOptions(world=QUIET, latency=PROMPT))
    seed: int = 7
    schedule: Any = field(default_factory=continuous)
    listings: list[Listing] = field(default_factory=lambda: LISTINGS)
    login: bool = True

    def __post_init__(self) -> None:
        day = TradingDay(self.schedule, lambda now_ns: now_ns - START_NS)
        self.now_ns = START_NS
        self.world = World(self.listings, COSTS, day, self.options, self.seed, START_NS)
        self.reset()
        self.attach()
        if self.login:
            assert self.call("CommConnect") == 0
            self.run(100)

    def reset(self) -> None:
        self.connects: list[int] = []
        self.answers: list[dict[str, Any]] = []
        self.messages: list[str] = []
        self.chejans: list[dict[int, str]] = []
        self.reals: list[tuple[str, str, dict[int, str]]] = []
        self.sequence: list[str] = []

    def attach(self) -> None:
        """A new control process connects."""
        self.session: Session = self.world.connect()
        self.core = ControlCore(self)

    def ask(self, name: str, args: list[Any]) -> Any:
        message = decode(encode({"args": args}))
        return self.world.call(self.session, self.now_ns, name, message["args"])

    def call(self, name: str, *args: Any) -> Any:
        return self.core.call(name, list(args))

    def run(self, ms: int, step_ms: int = 5) -> None:
        end_ns = self.now_ns + ms * MS
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + step_ms * MS)
            for number, event in self.world.advance(self.now_ns):
                if number == self.session.number:
                    self.core.arrived(decode(encode(event_to_wire(event))))
            self._deliver()

    def _deliver(self) -> None:
        while (event := self.core.take()) is not None:
            with self.core.deliver(event) as (name, values):
                getattr(self, f"_{name}")(*values)

    def _OnEventConnect(self, error: int) -> None:
        self.connects.append(error)

    def _OnReceiveMsg(self, screen: str, rqname: str, trcode: str, text: str) -> None:
        self.messages.append(text)

    def _OnReceiveConditionVer(self, ok: int, text: str) -> None:
        self.messages.append(text)

    def _OnReceiveTrData(
        self, screen: str, rqname: str, trcode: str, record: str, more: str, *_: Any
    ) -> None:
        def read(name: str, row: int = 0) -> str:
            return str(self.call("GetCommData", trcode, rqname, row, name))

        self.sequence.append("answer")
        count = self.call("GetRepeatCnt", trcode, rqname)
        self.answers.append(
            {
                "screen": screen,
                "rqname": rqname,
                "trcode": trcode,
                "record": record,
                "more": more,
                "number": read("주문번호").strip(),
                "rows": [{"주문번호": read("주문번호", row)} for row in range(count)],
                "table": self.call("GetCommDataEx", trcode, record),
                "read": {name: read(name) for name in READ},
            }
        )

    def _OnReceiveChejanData(self, gubun: str, count: int, fids: str) -> None:
        values = {int(fid): self.call("GetChejanData", int(fid)).strip() for fid in fids.split(";")}
        assert len(values) == count
        values[0] = gubun
        self.chejans.append(values)
        self.sequence.append(values.get(913, "잔고"))

    def _OnReceiveRealData(self, code: str, kind: str, _: str) -> None:
        fids = (10, 15, 20, 21, 27, 28, 41, 51, 61, 71, 121, 214, 215, 9001, 9081, 1223, 1224)
        self.reals.append(
            (code, kind, {fid: self.call("GetCommRealData", code or kind, fid) for fid in fids})
        )

    # -- orders --------------------------------------------------------------------------

    def order(
        self,
        order_type: int,
        code: str,
        qty_shares: int,
        price_krw: int,
        hoga: str = "00",
        original: str = "",
        rqname: str = "주문",
        screen: str = "2000",
    ) -> int:
        args = (rqname, screen, ACCOUNT, order_type, code, qty_shares, price_krw, hoga, original)
        code_returned: int = self.call("SendOrder", *args)
        return code_returned

    def traded(self, order_type: int, code: str, qty_shares: int, price_krw: int, hoga: str = "00") -> str:
        """Send a new order, let it settle, and give its number (blank: rejected)."""
        before = len(self.answers)
        assert self.order(order_type, code, qty_shares, price_krw, hoga) == 0
        self.run(300)
        return str(self.answers[before]["number"])

    def query(self, trcode: str, inputs: dict[str, str], more: int = 0) -> dict[str, Any]:
        for name, value in inputs.items():
            self.call("SetInputValue", name, value)
        before = len(self.answers)
        assert self.call("CommRqData", "조회", trcode, more, "3000") == 0
        self.run(300)
        return self.answers[before]

    @property
    def truth(self) -> dict[str, Any]:
        return self.world.snapshot()


READ = (
    *(
        "예수금",
        "주문가능금액",
        "d+2추정예수금",
        "상한가",
        "하한가",
        "기준가",
        "현재가",
        "미체결수량",
        "주문상태",
    ),
    *(
        "매도최우선호가",
        "매도최우선잔량",
        "매수최우선호가",
        "매도6차선호가",
        "매도6우선잔량",
        "매수6우선호가",
    ),
    *("종목번호", "보유수량", "매매가능수량", "호가잔량기준시간", "체결번호", "거래소구분", "없는항목"),
)


def options(
    faults: dict[str, Any] | None = None, world: dict[str, Any] | None = None, **parts: Any
) -> SimulatorOptions:
    """Quiet, prompt options with some changed."""
    base = SimulatorOptions(
        world=replace(QUIET, **(world or {})), faults=FaultOptions(**(faults or {})), latency=PROMPT
    )
    return replace(base, **parts)
