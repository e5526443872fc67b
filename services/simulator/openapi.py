"""The server side of the control's methods: what each call of one session does and returns.

Names and arguments are those of the control (Kiwoom sheet 1.1). Calls return at once; what they set
off comes as events. Before the login only `CommConnect` and `GetConnectState` mean anything.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from services.contracts.terms import Market, Venue
from services.simulator.broker import Broker
from services.simulator.events import Answered, ConditionsLoaded, Connected, Event, Row, Told
from services.simulator.feed import Feed
from services.simulator.latency import Way
from services.simulator.limits import LoadGuard, SlidingLimit, queries_before
from services.simulator.orders import OrderRequest
from services.simulator.queries import Queries, Table, UnknownQuery
from services.simulator.sessions import MS, Session, Sessions

SOCKET_CLOSED, CANNOT_CONNECT = -106, -101
QUERY_OVERFLOW, QUERY_RESTRICTED, TR_FAILED, TOO_MANY = -200, -209, -22, -204
MAX_RQNAME_BYTES = 80
WATCH_LIST, MOST_CODES = "OPTKWFID", 100
"""A watch list query names so many codes at most, and its answer is one page (Kiwoom sheet 7)."""
WHOLE_AFTER_BLANK_MS = 10_000
_MARKET_KINDS = {Market.KOSPI: "0", Market.KOSDAQ: "10", Market.ETF: "8"}


class OpenApi:
    """`call` is the one entry; it raises KeyError for a name that the control does not have."""

    def __init__(self, broker: Broker, feed: Feed, queries: Queries, sessions: Sessions) -> None:
        self.broker, self.feed, self.queries, self.sessions = broker, feed, queries, sessions
        options = broker.options
        self.limit = SlidingLimit(options.broker.queries_per_s)
        self.guard = LoadGuard(options.broker.sustained_queries)
        self._login_way = Way(options.latency.login_ms, feed.seed, "login")
        self._query_way = Way(options.latency.query_ms, feed.seed, "query")
        self.guard.used(queries_before(options.broker.queries_used, broker.agenda.now_ns))
        self.closed_until_ns = 0
        self._rng = broker.rng
        self._whole_until_ns: dict[str, int] = {}
        """Until when the answers of a query have no blank row, as one lately had."""
        self._methods: dict[str, Callable[..., Any]] = {
            "CommConnect": self._comm_connect,
            "CommTerminate": lambda session: None,
            "GetConnectState": lambda session: int(session.logged_in),
            "GetLoginInfo": self._login_info,
            "CommRqData": self._query,
            "CommKwRqData": self._watch_query,
            "SetRealReg": self._set_real_reg,
            "SetRealRemove": lambda session, screen, code: self.feed.remove(session, screen, code),
            "DisconnectRealData": lambda session, screen: self.feed.remove(session, screen, "ALL"),
            "SendOrder": self._send_order,
            "SendOrderCredit": self._send_credit,
            "KOA_Functions": self._koa,
            "GetCodeListByMarket": self._codes,
            "GetMasterCodeName": lambda session, code: self._listing(code, "name"),
            "GetMasterLastPrice": lambda session, code: self._listing(code, "base_krw"),
            "GetMasterStockState": self._stock_state,
            "GetMasterConstruction": lambda session, code: "정상" if self._known(code) else "",
            "GetMasterListedStockDate": lambda session, code: "20000104" if self._known(code) else "",
            "GetMasterListedStockCnt": lambda session, code: 100_000_000 if self._known(code) else 0,
            "GetBranchCodeName": lambda session: "050|키움증권;",
            "GetAPIModulePath": lambda session: "C:\\OpenAPI",
            "GetConditionLoad": self._load_conditions,
            "GetConditionNameList": lambda session: "",
            "SendCondition": lambda session, *_: 0,
            "SendConditionStop": lambda session, *_: None,
        }

    def call(self, session: Session, name: str, args: list[Any]) -> Any:
        return self._methods[name](session, *args)

    # -- login ----------------------------------------------------------------------------

    def _comm_connect(self, session: Session) -> int:
        now_ns = self.broker.agenda.now_ns
        due_ns = now_ns + self._login_way.ns()
        self.broker.agenda.at(due_ns, lambda at_ns: self._login(session, at_ns))
        return 0

    def _login(self, session: Session, at_ns: int) -> None:
        if self.sessions.by_number.get(session.number) is not session:
            return
        if at_ns < self.closed_until_ns:
            self.sessions.post(session, Connected(CANNOT_CONNECT))
            return
        earlier = self.sessions.current
        if earlier is not None and earlier is not session:
            self._cut(earlier)
        session.logged_in = True
        session.login_count += 1
        self.guard.reset()
        self.feed.reindex()
        self.sessions.post(session, Connected(0))
        if self._rng.random() < self.broker.faults.duplicate_connect_rate:
            self.sessions.happened["duplicate_connect"] += 1
            self.sessions.post(session, Connected(0))

    def _cut(self, session: Session) -> None:
        self.sessions.cut(session)
        self.feed.reindex()
        self.sessions.post(session, Connected(SOCKET_CLOSED))

    def disconnect_all(self) -> None:
        """The connection is lost: OnEventConnect(-106), registrations and events on the way gone."""
        now_ns = self.broker.agenda.now_ns
        self.closed_until_ns = now_ns + self.broker.options.broker.relogin_ms * MS
        for session in list(self.sessions.by_number.values()):
            if session.logged_in:
                self.sessions.happened["disconnect"] += 1
                self._cut(session)

    def _login_info(self, session: Session, tag: str) -> str:
        if not session.logged_in:
            return ""
        account = self.broker.options.account
        values = {
            "ACCOUNT_CNT": "1",
            "ACCNO": f"{account.number};",
            "ACCLIST": f"{account.number};",
            "ACCTLIST_DETAIL": f"{account.number},{account.user_name},위탁종합;",
            "USER_ID": account.user_id,
            "USER_NAME": account.user_name,
            "GetServerGubun": self.broker.options.broker.server_gubun,
            "KEY_BSECGB": "0",
            "FIREW_SECGB": "0",
        }
        return values.get(tag, "")

    # -- master data -------------------------------------------------------------------------

    def _known(self, code: str) -> bool:
        return code in self.broker.exchange.instruments

    def _listing(self, code: str, what: str) -> str:
        instrument = self.broker.exchange.instruments.get(code)
        return str(getattr(instrument.listing, what)) if instrument else ""

    def _stock_state(self, session: Session, code: str) -> str:
        instrument = self.broker.exchange.instruments.get(code)
        if instrument is None:
            return ""
        return "증거금100%|거래정지" if instrument.halted else "증거금40%|신용가능"

    def _codes(self, session: Session, market: str) -> str:
        instruments = self.broker.exchange.instruments
        markets = {"0": (Market.KOSPI, Market.ETF), "10": (Market.KOSDAQ,), "8": (Market.ETF,)}
        chosen = [
            code
            for code, instrument in instruments.items()
            if market == ""
            or (market == "NXT" and Venue.NXT in instrument.stalls and not instrument.delisted)
            or instrument.listing.market in markets.get(market, ())
        ]
        return "".join(f"{code};" for code in chosen)

    def _koa(self, session: Session, name: str, argument: str) -> str:
        if name == "GetServerGubun":
            return self.broker.options.broker.server_gubun
        if name == "IsOrderWarningStock":
            return "0" if self._known(argument) else ""
        if name == "IsOrderWarningETF":
            return "0" if self._known(argument) else ""
        if name == "GetMasterListedStockCntEx":
            return "100000000" if self._known(argument) else "0"
        if name == "GetStockMarketKind":
            instrument = self.broker.exchange.instruments.get(argument)
            return "" if instrument is None else _MARKET_KINDS[instrument.listing.market]
        if name == "GetMasterStockInfo":
            instrument = self.broker.exchange.instruments.get(argument)
            market = "거래소" if instrument and instrument.listing.market is not Market.KOSDAQ else "코스닥"
            return f"시장구분0|{market}|대형주;업종구분|;" if instrument else ""
        return ""

    def _load_conditions(self, session: Session) -> int:
        self.sessions.send(session, ConditionsLoaded(1, "[OK]"))
        return 1

    # -- real time ------------------------------------------------------------------------------

    def _set_real_reg(self, session: Session, screen: str, codes: str, fids: str, option: str) -> int:
        if not session.logged_in:
            return SOCKET_CLOSED
        return self.feed.register(session, screen, codes, fids, option == "1")

    # -- orders ------------------------------------------------------------------------------

    def _send_order(self, session: Session, *args: Any) -> int:
        rqname, screen, account, order_type, code, qty, price, hoga, original = args
        if not session.logged_in:
            return SOCKET_CLOSED
        now_ns = self.broker.agenda.now_ns
        request = OrderRequest(
            session.number,
            rqname,
            screen,
            order_type,
            code.strip(),
            qty,
            price,
            hoga,
            original.strip(),
            now_ns,
        )
        return self.broker.send_order(account, request)

    def _send_credit(self, session: Session, *args: Any) -> int:
        """A cash account: the server refuses every credit order as wrong input."""
        return -300 if session.logged_in else SOCKET_CLOSED

    # -- queries ------------------------------------------------------------------------------

    def _query(
        self, session: Session, rqname: str, trcode: str, prevnext: int, screen: str, inputs: Row
    ) -> int:
        error = self._query_error(session, rqname)
        if error:
            return error
        faults, happened = self.broker.faults, self.sessions.happened
        due_ns = self.broker.agenda.now_ns + self._query_way.ns()
        if self._rng.random() < faults.query_fail_rate:
            happened["query_unanswered"] += 1
            return 0
        if self._rng.random() < faults.slow_query_rate:
            happened["slow_query"] += 1
            due_ns += self.sessions.delay_ns(faults.slow_query_ms)
        self.broker.agenda.at(
            due_ns, lambda _: self._reply(session, rqname, trcode, prevnext == 2, screen, inputs)
        )
        return 0

    def _watch_query(
        self, session: Session, codes: str, more: int, count: int, kind: int, rqname: str, screen: str
    ) -> int:
        if count > MOST_CODES or len([code for code in codes.split(";") if code]) > MOST_CODES:
            return TOO_MANY
        return self._query(session, rqname, WATCH_LIST, 0, screen, {"종목코드": codes})

    def _query_error(self, session: Session, rqname: str) -> int:
        if not session.logged_in:
            return SOCKET_CLOSED
        if len(rqname.encode("cp949", "replace")) > MAX_RQNAME_BYTES:
            return -202
        if self.guard.tripped:
            return QUERY_RESTRICTED
        now_ns = self.broker.agenda.now_ns
        if self._rng.random() < self.broker.faults.query_overflow_rate:
            self.sessions.happened["query_overflow"] += 1
            return QUERY_OVERFLOW
        if not self.limit.admit(now_ns):
            return QUERY_OVERFLOW
        return 0 if self.guard.admit(now_ns) else QUERY_RESTRICTED

    def _reply(
        self, session: Session, rqname: str, trcode: str, more: bool, screen: str, inputs: Row
    ) -> None:
        try:
            table = self.queries.answer(trcode, inputs)
        except UnknownQuery:
            self.sessions.send(
                session, Told(screen, rqname, trcode, f"[{TR_FAILED}] 조회할 수 없는 TR 입니다")
            )
            return
        self.sessions.send(
            session, *self._page(session, rqname, trcode, more, screen, self._blanked(trcode.upper(), table))
        )
        self._side_effects(session, trcode, screen, inputs)

    def _page(
        self, session: Session, rqname: str, trcode: str, more: bool, screen: str, table: Table
    ) -> tuple[Event, Event]:
        """One page; a continuation that another query came between has nothing more to give."""
        key = (rqname, trcode.upper())
        start = session.pages.get(key, len(table.rows)) if more else 0
        page_rows = MOST_CODES if trcode.upper() == WATCH_LIST else self.broker.options.broker.page_rows
        end = start + min(100, page_rows)
        session.pages = {key: end} if end < len(table.rows) else {}
        answer = Answered(
            screen, rqname, trcode, table.record, end < len(table.rows), table.single, table.rows[start:end]
        )
        return answer, Told(screen, rqname, trcode, "[100000] 조회가 완료되었습니다.")

    def _blanked(self, trcode: str, table: Table) -> Table:
        """The answer, by chance with one row or one field that says nothing. Whole ones follow it for as long
        as somebody needs who asks for several shares and looks again: what stays blank is a difference."""
        now_ns = self.broker.agenda.now_ns
        if now_ns < self._whole_until_ns.get(trcode, 0):
            return table
        blank = self._blank_row(table) or self._blank_output(table)
        if blank is None:
            return table
        self._whole_until_ns[trcode] = now_ns + WHOLE_AFTER_BLANK_MS * MS
        return blank

    def _happens(self, fault: str, rate: float) -> bool:
        if not rate or self._rng.random() >= rate:
            return False
        self.sessions.happened[fault] += 1
        return True

    def _blank_row(self, table: Table) -> Table | None:
        if not table.rows or not self._happens("blank_row", self.broker.faults.blank_row_rate):
            return None
        at = self._rng.randrange(len(table.rows))
        rows = list(table.rows)
        rows[at] = dict.fromkeys(rows[at], "")
        return replace(table, rows=rows)

    def _blank_output(self, table: Table) -> Table | None:
        if not self._happens("blank_output", self.broker.faults.blank_output_rate):
            return None
        if not table.rows:
            return replace(table, single=self._without_one(table.single))
        rows = list(table.rows)
        at = self._rng.randrange(len(rows))
        rows[at] = self._without_one(rows[at])
        return replace(table, rows=rows)

    def _without_one(self, fields: Row) -> Row:
        return {**fields, self._rng.choice(sorted(fields)): ""} if fields else fields

    def _side_effects(self, session: Session, trcode: str, screen: str, inputs: Row) -> None:
        if trcode.upper() == "OPT10054":
            session.vi_on = True
        code = inputs.get("종목코드", "").strip()
        if trcode.upper() not in ("OPT10001", "OPT10004") or not session.logged_in:
            return
        if self.broker.options.broker.tr_registers_realtime and Feed.known_code(code, self.broker.exchange):
            self.feed.register_by_query(session, screen, code)
