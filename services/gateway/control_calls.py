"""Effects become calls on the control, and its events become facts. Qt thread only.

Slots copy what they need and return; reading the event's own data is the only call made inside one.
An exception that escapes a slot would abort the process, so every slot is wrapped.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from services.contracts.terms import Symbol
from services.gateway.book_feed import BOOK_TYPE, TRADE_TYPE
from services.gateway.effects import Query, Register, Send
from services.gateway.evidence import CHEJAN_FIDS
from services.gateway.facts import (
    ELSEWHERE,
    LATE,
    ORDER_EVENTS,
    Answered,
    Connected,
    Fact,
    Garbled,
    Interrupted,
    LoggedIn,
    MasterRead,
    OrderFramed,
    QueryReturned,
    Registered,
    SendReturned,
    SendWithheld,
    SessionSignalled,
    Told,
)
from services.gateway.intention_log import IntentionLog
from services.gateway.replies import FIELDS, ORDER_NO_FIELD
from services.gateway.vi_halts import VI_FIDS, VI_TYPE, is_halted
from services.market.broker_lists import FRAME_KINDS, PAGES, WARNINGS
from services.runtime.clock import mono_ns

SESSION_TYPE = "장시작시간"
_NXT_MARKET, _FUND_MARKET = "NXT", "8"
"""What `GetCodeListByMarket` calls the two lists (Kiwoom sheet 1.1)."""
TELL_AGAIN_S = 10.0


class Ocx(Protocol):
    """What is used of the control; `adapters/ocx.py` has it."""

    def on(self, event: str, slot: Callable[..., None]) -> None: ...
    def connect(self) -> int: ...
    def login_info(self, tag: str) -> str: ...
    def set_input(self, name: str, value: str) -> None: ...
    def request(self, rqname: str, trcode: str, prevnext: int, screen: str) -> int: ...
    def request_many(self, codes: str, count: int, rqname: str, screen: str) -> int: ...
    def repeat_count(self, trcode: str, record: str) -> int: ...
    def comm_data(self, trcode: str, record: str, row: int, field: str) -> str: ...
    def real_data(self, code: str, fid: int) -> str: ...
    def chejan_data(self, fid: int) -> str: ...
    def register(self, screen: str, codes: str, fids: str, *, adds: bool = False) -> int: ...
    def unregister(self, screen: str, code: str) -> None: ...
    def drop_screen(self, screen: str) -> None: ...
    def codes_by_market(self, market: str) -> str: ...
    def stock_state(self, code: str) -> str: ...
    def function(self, name: str, argument: str) -> str: ...
    def send_order(self, args: list[Any]) -> int: ...
    def clear(self) -> None: ...


class OrderPort:
    """The one place that can send an order; it is not built where the gateway only observes."""

    def __init__(
        self,
        ocx: Ocx,
        log: IntentionLog,
        halt_file: Callable[[], bool],
        mono_ns: Callable[[], int] = mono_ns,
    ) -> None:
        self._ocx, self._log, self._halt_file, self._mono_ns = ocx, log, halt_file, mono_ns

    def send(self, effect: Send) -> Fact:
        """Sync the intention, look at clock, lease and HALT file once more, then call SendOrder.

        A cancel does no harm twice: it leaves though the disk refuses its line, or another gateway has it.
        An entry never leaves once the log's file was found to be another one.
        """
        began_ns = self._mono_ns()
        logged = self._written(effect)
        barred = effect.lease_until_mono_ns and self._log.lost
        if not effect.cancels and (not logged or barred):
            return SendWithheld(effect.order_id, "log", logged=logged)
        if not effect.cancels and self._written_elsewhere(effect):
            return SendWithheld(effect.order_id, ELSEWHERE, logged=False)
        synced_ns = self._mono_ns()
        if effect.lease_until_mono_ns and synced_ns >= effect.lease_until_mono_ns:
            return SendWithheld(effect.order_id, "lease", logged=True)
        if effect.leave_by_mono_ns and synced_ns > effect.leave_by_mono_ns:
            return SendWithheld(effect.order_id, LATE, logged=True)
        if effect.stopped_by_halt_file and self._halt_file():
            return SendWithheld(effect.order_id, "halt_file", logged=True)
        code = self._ocx.send_order(list(effect.args))
        call_ns = self._mono_ns() - synced_ns
        return SendReturned(effect.order_id, code, synced_ns - began_ns, call_ns, logged=logged)

    def _written(self, effect: Send) -> bool:
        """Whether the intention is on disk, in the file that the next process will read."""
        try:
            self._log.append(effect.trading_date, effect.intention, sync=True)
            self._log.keep(effect.trading_date)
        except OSError:
            structlog.get_logger().exception("intention not written", order_id=effect.order_id)
            return False
        return True

    def _written_elsewhere(self, effect: Send) -> bool:
        """Whether another gateway may have sent this order; where that cannot be told, it may."""
        try:
            return self._log.written_twice(effect.trading_date, effect.order_id)
        except (OSError, ValueError, KeyError):
            structlog.get_logger().exception("intentions not read", order=effect.order_id)
            return True


class Calls:
    """The control's methods that send no order, as the effects want them."""

    def __init__(self, ocx: Ocx) -> None:
        self._ocx = ocx

    def connect(self) -> Fact | None:
        code = self._ocx.connect()
        return Connected(code) if code else None

    def read_login(self) -> Fact:
        accounts = self._ocx.login_info("ACCLIST").split(";")
        found = tuple(account.strip() for account in accounts if account.strip())
        return LoggedIn(found, self._ocx.login_info("GetServerGubun").strip())

    def read_master(self, symbols: tuple[Symbol, ...]) -> Fact:
        listed = {code.strip() for code in self._ocx.codes_by_market(_NXT_MARKET).split(";")} - {""}
        eligible = frozenset(symbol for symbol in symbols if symbol in listed)
        funds = {code.strip() for code in self._ocx.codes_by_market(_FUND_MARKET).split(";")} - {""}
        warnings = {symbol: self._warning(symbol, symbol in funds) for symbol in symbols}
        states = {symbol: self._ocx.stock_state(symbol).strip() for symbol in symbols}
        return MasterRead(
            frozenset(symbols),
            eligible,
            frozenset(symbol for symbol, word in warnings.items() if WARNINGS.get(word) is not False),
            frozenset(symbol for symbol, state in states.items() if is_halted(state)),
            frozenset(symbol for symbol in symbols if symbol in funds) if funds else None,
            nxt_list_blank=not listed,
            states_blank=frozenset(symbol for symbol, state in states.items() if not state),
            strange=tuple((WARNINGS.name, word) for word in warnings.values() if WARNINGS.lacks(word)),
        )

    def _warning(self, symbol: Symbol, is_fund: bool) -> str:
        """Return the broker's word for the dialog that a purchase raises (Kiwoom sheet 1.1)."""
        return self._ocx.function("IsOrderWarningETF" if is_fund else "IsOrderWarningStock", symbol)

    def register(self, effect: Register) -> Fact:
        fids = ";".join(str(fid) for fid in effect.fids)
        code = self._ocx.register(effect.screen, ";".join(effect.codes), fids, adds=effect.adds)
        return Registered(effect.screen, code)

    def unregister(self, screen: str) -> None:
        self._ocx.unregister(screen, "ALL")

    def drop_screen(self, screen: str) -> None:
        self._ocx.drop_screen(screen)

    def query(self, query: Query) -> Fact:
        if query.codes:
            code = self._ocx.request_many(";".join(query.codes), len(query.codes), query.rqname, query.screen)
            return QueryReturned(query.rqname, code)
        for name, value in query.inputs:
            self._ocx.set_input(name, value)
        code = self._ocx.request(query.rqname, query.trcode, 2 if query.more else 0, query.screen)
        return QueryReturned(query.rqname, code)

    def end(self) -> None:
        """Registrations first, then the control (Kiwoom sheet 8.2)."""
        self._ocx.unregister("ALL", "ALL")
        self._ocx.clear()


class Slots:
    """The control's events. Facts wait in `facts` for the timer; books and trades go to their callbacks."""

    def __init__(
        self,
        ocx: Ocx,
        on_book: Callable[[str, Callable[[int], str]], None],
        on_trade: Callable[[str, Callable[[int], str]], None],
    ) -> None:
        self._ocx, self._on_book, self._on_trade = ocx, on_book, on_trade
        self._log = structlog.get_logger()
        self.facts: deque[Fact] = deque()
        self.failures = 0
        self._told_s: dict[str, float] = {}
        for event, slot in (
            ("OnEventConnect", self._connected),
            ("OnReceiveTrData", self._answered),
            ("OnReceiveRealData", self._real),
            ("OnReceiveMsg", self._told),
            ("OnReceiveChejanData", self._chejan),
        ):
            ocx.on(event, self._wrapped(event, slot))

    def _wrapped(self, event: str, slot: Callable[..., None]) -> Callable[..., None]:
        def safe(*args: Any) -> None:
            try:
                slot(*args)
            except Exception as error:
                self._garbled(event, error)

        return safe

    def _garbled(self, event: str, error: Exception) -> None:
        """Leave a trace of what is dropped: all that tells of orders, of the rest one in a while."""
        self.failures += 1
        now_s = time.monotonic()
        if event not in ORDER_EVENTS and now_s - self._told_s.get(event, -TELL_AGAIN_S) < TELL_AGAIN_S:
            return
        self._told_s[event] = now_s
        self._log.error("event handler failed", event_name=event, exc_info=error, failures=self.failures)
        self.facts.append(Garbled(event, f"{type(error).__name__}: {error}", self.failures))

    def _connected(self, code: int) -> None:
        self.facts.append(Connected(code))

    def _told(self, screen: str, rqname: str, trcode: str, text: str) -> None:
        self.facts.append(Told(rqname, text))

    def _answered(self, screen: str, rqname: str, trcode: str, record: str, more: str, *unused: Any) -> None:
        if PAGES.lacks(more):
            raise ValueError(f"{trcode} says {more!r} of further rows, which is no word of the broker's list")
        fields = FIELDS.get(trcode.upper())
        if fields is None:
            number = self._ocx.comm_data(trcode, rqname, 0, ORDER_NO_FIELD)
            self.facts.append(Answered(screen, rqname, trcode, False, {ORDER_NO_FIELD: number}))
            return
        read = self._ocx.comm_data
        single = {name: read(trcode, rqname, 0, name) for name in fields.single}
        count = self._ocx.repeat_count(trcode, record or rqname) if fields.rows else 0
        rows = tuple({name: read(trcode, rqname, row, name) for name in fields.rows} for row in range(count))
        self.facts.append(Answered(screen, rqname, trcode.upper(), bool(PAGES.get(more)), single, rows))

    def _chejan(self, gubun: str, count: int, fids: str) -> None:
        kind = FRAME_KINDS.get(gubun)
        if kind is None:
            raise ValueError(f"a frame of kind {gubun!r}, which is no word of the broker's list")
        if kind == "order":
            self.facts.append(OrderFramed({fid: self._ocx.chejan_data(fid) for fid in CHEJAN_FIDS}))

    def _real(self, code: str, kind: str, data: str) -> None:
        def read(fid: int) -> str:
            return self._ocx.real_data(code, fid)

        if kind == BOOK_TYPE:
            self._on_book(code, read)
        elif kind == TRADE_TYPE:
            self._on_trade(code, read)
        elif kind == SESSION_TYPE:
            self.facts.append(SessionSignalled(read(215).strip()))
        elif kind == VI_TYPE:
            self.facts.append(Interrupted({fid: read(fid) for fid in VI_FIDS}))
