"""Whatever the broker says, in whatever order, the gateway's core takes it in: garbage, blanks, doubles."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.envelope import Unreadable, decode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ReferencePublished, TradingStateChanged
from services.contracts.step import Received
from services.contracts.terms import GatewayMode, Symbol, TradingState, Venue
from services.gateway.core import decide, recovered
from services.gateway.effects import Effect, Query
from services.gateway.evidence import CHEJAN_FIDS
from services.gateway.facts import (
    Answered,
    Clocked,
    Connected,
    Delivered,
    Fact,
    Interrupted,
    LeaseSeen,
    LoggedIn,
    MasterRead,
    Moment,
    OrderFramed,
    QueryReturned,
    Registered,
    SendReturned,
    SendWithheld,
    SessionSignalled,
    Started,
    Told,
)
from services.gateway.replies import FIELDS
from services.gateway.settings import GatewaySettings
from services.gateway.state import GatewayState, initial_state
from services.gateway.vi_halts import VI_FIDS
from services.market.files import load_market
from services.market.market_clock import REAL_TIME
from services.runtime.parts import changed_parts, restore
from tests.contracts.examples import BUY_ID, COMMANDS, CONTROL, NOW_NS, SAMSUNG, SELL_ID
from tests.fuzz.extremes import entries, enveloped
from tests.fuzz.profile import examples
from tests.fuzz.test_cores import remembered_as, written
from tests.house.source import ROOT

RULES = load_market(ROOT / "config")
ACCOUNT = "8012345678"
COMMAND_KINDS = ("PlaceOrder", "AmendOrder", "CancelOrder")
CONTROL_KINDS = tuple(type(message).__name__ for message in CONTROL)
CODES = st.sampled_from((0, -1, -100, -101, -106, -200, -202, -300, -301, -307, -308, -311, -340, 7, 10**12))

GARBAGE = st.sampled_from(
    ("", " ", "0", "-0", "+", "--", "0000000", "0012345", "0012346", "-71000", "+71,000", "71000", "5", "-5",
     "1e5", "５", "²", "9" * 25,
     "매수", "-매도", "매수취소", "+매수정정", "접수", "확인", "체결", "거부", "005930", "A005930",
     "005930_NX", "005930_AL", "_NX", "1", "2", "3", "103012", "250000", "\x00", "NaN", "�")
)  # fmt: skip


def texts_by(keys: Any) -> st.SearchStrategy[dict[Any, str]]:
    """Return some of `keys` with garbage, the others missing."""
    return st.dictionaries(st.sampled_from(tuple(keys)), GARBAGE, max_size=len(keys))


LIKELY_FRAME = {
    9201: ACCOUNT, 9203: "0012345", 9001: "A005930", 913: "접수", 900: "5", 901: "71000", 902: "5", 903: "0",
    904: "0000000", 905: "+매수", 907: "2", 908: "103012", 910: "0", 911: "0", 938: "0", 939: "0",
    2134: "1", 920: "2000",
}  # fmt: skip


FRAMES = st.builds(lambda odd: {**LIKELY_FRAME, **odd}, texts_by(CHEJAN_FIDS))
SCREENS = st.sampled_from(("", "1000", "2000", "2001", "4000", "9999"))


@st.composite
def answers(draw: st.DrawFn, waiting: Query | None) -> Answered:
    """Return an answer: to the query that waits, to an order, or to nobody."""
    trcode = waiting.trcode if waiting and draw(st.booleans()) else draw(st.sampled_from(tuple(FIELDS)))
    fields = FIELDS[trcode]
    rqname = (
        waiting.rqname
        if waiting and draw(st.integers(0, 4))
        else draw(st.sampled_from((BUY_ID, SELL_ID, "q0", "q1", "nobody", "")))
    )
    single = draw(texts_by((*fields.single, "주문번호")))
    row = texts_by(fields.rows) if fields.rows else st.just({})
    rows = draw(st.lists(row, max_size=3)) * draw(st.sampled_from((1, 1, 2)))
    screen = waiting.screen if waiting else draw(SCREENS)
    return Answered(screen, rqname, trcode, draw(st.booleans()), single, tuple(rows))


def spoken(kinds: tuple[str, ...], now_ns: int) -> st.SearchStrategy[Fact]:
    """Return deliveries of readable messages with extreme values; unreadable ones never reach the core."""

    def fact(text: bytes) -> Fact:
        try:
            return Delivered(Received(decode(text), "fuzz", f"{now_ns // 10**6}-0", now_ns))
        except Unreadable:
            return Clocked()

    return entries(kinds).map(fact)


def facts(waiting: Query | None, now_ns: int) -> st.SearchStrategy[Fact]:
    stamps = st.sampled_from((0, now_ns, now_ns - 10**10, now_ns + 10**18, -1))
    some = st.frozensets(st.sampled_from((SAMSUNG, Symbol("000660"), Symbol(""), Symbol("ZZ"))), max_size=3)
    return st.one_of(
        st.builds(Clocked, halt_file=st.booleans(), halt_why=GARBAGE, halt_entry=GARBAGE, log_lost=GARBAGE,
                  last_book_ns=st.dictionaries(st.sampled_from(Venue), stamps), log_kept=st.booleans(),
                  quotes_published=st.integers(), quotes_conflated=st.integers()),
        FRAMES.map(OrderFramed),
        texts_by(CHEJAN_FIDS).map(OrderFramed),
        answers(waiting),
        st.builds(Told, st.sampled_from((BUY_ID, SELL_ID, "q0", "")), GARBAGE),
        st.builds(SendReturned, st.sampled_from((BUY_ID, SELL_ID, "nobody", "")), CODES),
        st.builds(SendWithheld, st.sampled_from((BUY_ID, SELL_ID, "nobody")),
                  st.sampled_from(("lease", "log", "halt_file", "")), st.booleans()),
        st.builds(QueryReturned, st.sampled_from(("q0", "q1", "nobody")), CODES),
        spoken(COMMAND_KINDS, now_ns),
        spoken(CONTROL_KINDS, now_ns),
        st.builds(LeaseSeen, stamps, st.sampled_from(("", "x")), st.sampled_from(TradingState),
                  st.integers()),
        GARBAGE.map(SessionSignalled),
        texts_by(VI_FIDS).map(lambda odd: Interrupted({**dict.fromkeys(VI_FIDS, ""), **odd})),
        st.just(Started()),
        CODES.map(Connected),
        st.builds(LoggedIn, st.lists(st.sampled_from((ACCOUNT, "", "x")), max_size=2).map(tuple),
                  st.sampled_from(("1", "0", "", "garbage"))),
        st.builds(MasterRead, some, some, some, some),
        st.builds(Registered, SCREENS, CODES),
    )  # fmt: skip


class Gateway:
    """The core with a hand that answers as a good broker would until the fuzz begins."""

    def __init__(self, now_ns: int = NOW_NS) -> None:
        settings = GatewaySettings(_env_file=None, mode=GatewayMode.SIMULATED, account=ACCOUNT)  # type: ignore[call-arg]
        self.first = initial_state(settings, RULES, REAL_TIME)
        self.state: GatewayState = self.first
        self.now_ns = now_ns
        self.waiting: Query | None = None
        self.alerts: list[AlertRaised] = []

    def take(self, fact: Fact) -> tuple[Effect, ...]:
        step = decide(self.state, Moment(fact, self.now_ns, self.now_ns))
        for ordinal, out in enumerate(step.out):
            written(out, f"fuzz-{ordinal}", self.now_ns, ordinal)
            if isinstance(out.message, AlertRaised):
                self.alerts.append(out.message)
        self.state = step.state
        for effect in step.effects:
            if isinstance(effect, Query):
                self.waiting = effect
        return step.effects

    def deliver(self, *messages: Any) -> None:
        entry_id = f"{self.now_ns // 10**6}-0"
        for message in messages:
            event = Received(enveloped(message, self.now_ns, "known"), "fuzz", entry_id, self.now_ns)
            self.take(Delivered(event))

    def logged_in(self) -> None:
        self.take(Started())
        self.take(Clocked())
        self.take(Connected(0))
        self.take(LoggedIn((ACCOUNT,), "1"))

    def ready(self) -> None:
        """All that a good morning brings: reference data, master data, every query answered."""
        self.deliver(*(message for message in CONTROL if isinstance(message, ReferencePublished)))
        self.logged_in()
        self.take(MasterRead(frozenset({SAMSUNG}), frozenset({SAMSUNG}), frozenset(), frozenset()))
        for _ in range(40):
            self.now_ns += 400_000_000
            self.take(Clocked(last_book_ns=dict.fromkeys(Venue, self.now_ns)))
            if self.waiting is not None:
                query, self.waiting = self.waiting, None
                money = dict.fromkeys(FIELDS[query.trcode].single, "100000000")
                band = {"종목코드": SAMSUNG, "기준가": "71000", "상한가": "92000", "하한가": "50000"}
                rows = (band,) if query.trcode == "OPTKWFID" else ()
                self.take(Answered(query.screen, query.rqname, query.trcode, False, money, rows))

    def buying(self) -> None:
        """Armed, with one entry that has left and is not answered."""
        armed = TradingStateChanged(state=TradingState.ARMED, by="desk", reason="fuzz", latches=())
        self.deliver(armed)
        self.take(LeaseSeen(self.now_ns + 10**10, self.state.reference_hash, TradingState.ARMED, 1))
        order = next(message for message in COMMANDS if isinstance(message, PlaceOrder))
        fresh = order.model_copy(update={"qty_shares": 1, "expires_at_ns": self.now_ns + 10**9})
        self.deliver(fresh)
        assert BUY_ID in self.state.orders.working, "the beginning must reach the broker"
        self.take(SendReturned(BUY_ID, 0))


def begun(where: str) -> Gateway:
    gateway = Gateway()
    if where == "logged in":
        gateway.logged_in()
    elif where != "at first start":
        gateway.ready()
        if where == "with an order at the broker":
            gateway.buying()
    return gateway


BEGINNINGS = ("at first start", "logged in", "ready", "with an order at the broker")
STEPS_NS = (0, 10**6, 10**8, 4 * 10**8, 2 * 10**9, 4 * 10**9, 10**11)


@pytest.mark.parametrize("where", BEGINNINGS)
@given(data=st.data())
@examples(25)
def test_nothing_the_broker_or_a_stream_says_makes_the_gateway_fail(where: str, data: st.DataObject) -> None:
    gateway = begun(where)
    for _ in range(data.draw(st.integers(3, 12))):
        gateway.now_ns += data.draw(st.sampled_from(STEPS_NS))
        gateway.take(data.draw(facts(gateway.waiting, gateway.now_ns)))
        gateway.take(Clocked(last_book_ns=dict.fromkeys(Venue, gateway.now_ns)))
    remembered_as(gateway.first, gateway.state)
    again = recovered(
        restore(gateway.first, changed_parts(None, gateway.state)), [], gateway.state.trading_date
    )
    decide(again, Moment(Started(), gateway.now_ns, gateway.now_ns))


def query_at_once(gateway: Gateway) -> Query:
    """Let time pass until the gateway asks something."""
    gateway.waiting = None
    for _ in range(600):
        gateway.now_ns += 400_000_000
        gateway.take(Clocked(last_book_ns=dict.fromkeys(Venue, gateway.now_ns)))
        if gateway.waiting is not None:
            return gateway.waiting
    raise AssertionError("nothing was asked")


def test_a_continuation_that_never_ends_is_given_up_and_told() -> None:
    """A broker that always says "more" must not keep the gateway on one query, nor fill its memory."""
    gateway = begun("logged in")
    query = query_at_once(gateway)
    row = dict.fromkeys(FIELDS[query.trcode].rows, "")
    for _ in range(3_000):
        gateway.now_ns += 4_000_000_000
        gateway.take(Answered(query.screen, query.rqname, query.trcode, True, {}, (row,) * 10))
        gateway.take(Clocked(last_book_ns=dict.fromkeys(Venue, gateway.now_ns)))
        if gateway.waiting is not None:
            query = gateway.waiting
        if any(alert.alert_id.startswith("gateway-query-") for alert in gateway.alerts):
            break
    assert any(alert.alert_id.startswith("gateway-query-") for alert in gateway.alerts)
    flight = gateway.state.desk.flight
    assert flight is None or len(flight.page.rows) < 10_000


@pytest.mark.parametrize("trcode", ["OPT10075", "OPW00001", "OPW00018", "OPTKWFID"])
@pytest.mark.parametrize("junk", ["１２", "12a", "1.5", "²", "NaN", "--"])
def test_a_reply_that_cannot_be_read_is_told_and_does_not_count_as_an_answer(trcode: str, junk: str) -> None:
    gateway = begun("logged in")
    gateway.deliver(*(message for message in CONTROL if isinstance(message, ReferencePublished)))
    gateway.take(MasterRead(frozenset({SAMSUNG}), frozenset({SAMSUNG}), frozenset(), frozenset()))
    for _ in range(200):
        query = query_at_once(gateway)
        fields = FIELDS[query.trcode]
        bad = junk if query.trcode == trcode else ""
        single = dict.fromkeys(fields.single, bad or "100000000")
        rows = (dict.fromkeys(fields.rows, bad),) if bad and fields.rows else ()
        gateway.alerts.clear()
        gateway.take(Answered(query.screen, query.rqname, query.trcode, False, single, rows))
        if query.trcode == trcode:
            for _ in range(40):
                if not gateway.alerts and gateway.state.desk.round is not None:
                    rest = query_at_once(gateway)
                    money = dict.fromkeys(FIELDS[rest.trcode].single, "100000000")
                    gateway.take(Answered(rest.screen, rest.rqname, rest.trcode, False, money, ()))
            break
    assert [alert for alert in gateway.alerts if not alert.resolved]
