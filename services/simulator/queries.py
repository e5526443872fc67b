"""The queries (TR) that a reconciliation needs: inputs, rows and field names as the control has them.

Each answer is a table: a single record, rows, or both (Kiwoom sheet 7). The functions here say what is true
of the books. `outputs.Outputs` hands out what the broker's lists have of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.contracts.terms import Side, Venue
from services.simulator.account import Account
from services.simulator.broker import Broker
from services.simulator.events import Row
from services.simulator.feed import Feed
from services.simulator.frames import price_text, unsuffixed
from services.simulator.orders import Order
from services.simulator.outputs import Outputs, Values

Inputs = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """What a query found. `record` is the name of its repeated record."""

    record: str
    single: Row = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


class UnknownQuery(KeyError):
    """A TR that the simulated server does not know."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table before it has the form of the broker's outputs."""

    record: str
    single: Values = field(default_factory=dict)
    rows: Sequence[Values] = ()


def _signed(price_krw: int, base_krw: int) -> str:
    return f" {price_text(price_krw, base_krw)}"


class Queries:
    def __init__(self, broker: Broker, feed: Feed, account: Account, outputs: Outputs) -> None:
        self._broker, self._feed, self._account, self._outputs = broker, feed, account, outputs
        self._tables: dict[str, Callable[[Inputs], Found]] = {
            "OPT10001": self._basic_info,
            "OPT10004": self._book,
            "OPT10054": self._interruptions,
            "OPT10075": self._open_orders,
            "OPT10076": self._filled_orders,
            "OPT10085": self._returns,
            "OPTKWFID": self._watch_list,
            "OPW00001": self._cash,
            "OPW00004": self._valuation,
            "OPW00005": self._settled_balance,
            "OPW00007": self._order_log,
            "OPW00018": self._holdings,
        }

    def answer(self, trcode: str, inputs: Inputs) -> Table:
        """The whole table of a query. Raises UnknownQuery."""
        code = trcode.upper()
        if code not in self._tables:
            raise UnknownQuery(trcode)
        found = self._tables[code](inputs)
        rows = [self._outputs.row(code, row) for row in found.rows]
        return Table(found.record, self._outputs.single(code, found.single), rows)

    # -- orders --------------------------------------------------------------------------

    def _orders(self, inputs: Inputs, side_key: str, scope_key: str = "") -> list[Order]:
        """Newest first, filtered by venue, side and symbol; `체결구분` 1 open, 2 filled, else all.

        Where `scope_key` is 0 the symbol counts for nothing (Kiwoom sheet 7).
        """
        venues = {"1": Venue.KRX, "2": Venue.NXT, "KRX": Venue.KRX, "NXT": Venue.NXT}
        venue = venues.get(inputs.get("거래소구분", "") or inputs.get("거래소", ""))
        sides = {"1": Side.SELL, "2": Side.BUY}
        side = sides.get(inputs.get(side_key, ""))
        code = "" if inputs.get(scope_key) == "0" else unsuffixed(inputs.get("종목코드", ""))[0]
        state = inputs.get("체결구분", "0")
        found = []
        for order in reversed(self._broker.orders.values()):
            if venue not in (None, order.venue) or side not in (None, order.side):
                continue
            if code not in ("", order.code) or (state == "1" and not order.remaining_shares):
                continue
            if state == "2" and not order.fills:
                continue
            found.append(order)
        return found

    def _name(self, code: str) -> str:
        return self._broker.exchange.instruments[code].listing.name

    def _order_values(self, order: Order) -> Values:
        """What is true of an order; which of it a list has is the table's to say."""
        last = order.fills[-1] if order.fills else None
        number = "1" if order.venue is Venue.KRX else "2"
        return {
            "계좌번호": self._broker.options.account.number,
            "주문번호": order.number_text,
            "종목코드": order.code,
            "종목명": self._name(order.code),
            "주문상태": order.status,
            "주문수량": order.qty_shares,
            "주문가격": 0 if order.hoga.market else order.price_krw,
            "미체결수량": order.remaining_shares,
            "체결누계금액": order.money.amount_krw,
            "원주문번호": order.original_text,
            "주문구분": order.side_text,
            "매매구분": order.hoga.text,
            "시간": order.hhmmss,
            "주문시간": order.hhmmss,
            "체결번호": str(last.execution_no) if last else "",
            "체결가": last.price_krw if last else "",
            "체결량": order.money.filled_shares if last else "",
            "단위체결가": last.price_krw if last else "",
            "단위체결량": last.qty_shares if last else "",
            "당일매매수수료": order.money.commission_krw,
            "당일매매세금": order.money.tax_krw,
            "거래소구분": number,
            "거래소구분텍스트": order.venue.value,
            "SOR여부": "N",
        }

    def _open_orders(self, inputs: Inputs) -> Found:
        rows = [self._order_values(order) for order in self._orders(inputs, "매매구분", "전체종목구분")]
        return Found("실시간미체결요청", rows=rows)

    def _filled_orders(self, inputs: Inputs) -> Found:
        before = inputs.get("주문번호", "")
        orders = self._orders(inputs, "매도수구분", "조회구분")
        if before.isdigit():
            orders = [order for order in orders if order.number < int(before)]
        return Found("체결요청", rows=[self._order_values(order) for order in orders])

    def _order_log(self, inputs: Inputs) -> Found:
        rows: list[Values] = []
        for order in self._orders(inputs, "매도수구분"):
            average_krw = order.money.amount_krw // order.money.filled_shares if order.fills else 0
            rows.append(
                {
                    "주문번호": order.number_text,
                    "종목번호": f"A{order.code}",
                    "종목명": self._name(order.code),
                    "매매구분": order.hoga.text,
                    "주문구분": order.side_text,
                    "주문수량": order.qty_shares,
                    "주문단가": 0 if order.hoga.market else order.price_krw,
                    "확인수량": order.qty_shares if order.status == "확인" else 0,
                    "원주문": order.original_text,
                    "체결수량": order.money.filled_shares,
                    "체결단가": average_krw,
                    "주문잔량": order.remaining_shares,
                    "접수구분": order.status,
                    "주문시간": order.hhmmss,
                }
            )
        return Found("계좌별주문체결내역상세", rows=rows)

    # -- account ----------------------------------------------------------------------------

    def _cash(self, inputs: Inputs) -> Found:
        orderable = self._account.orderable_krw
        single: Values = {
            "예수금": self._account.start_cash_krw,
            "출금가능금액": min(self._account.start_cash_krw, self._account.orderable_krw),
            "주문가능금액": orderable,
            "d+2추정예수금": self._account.cash_krw,
            **{f"{rate}%종목주문가능금액": orderable for rate in (20, 30, 40, 100)},
        }
        return Found("예수금상세현황", single=single)

    def _last(self, code: str) -> int:
        return self._feed.touch(code, Venue.KRX).last_krw

    def _value_krw(self) -> int:
        return sum(h.qty_shares * self._last(code) for code, h in self._account.holdings.items())

    def _valuation(self, inputs: Inputs) -> Found:
        rows: list[Values] = []
        for code, holding in self._account.holdings.items():
            if holding.qty_shares:
                value_krw = holding.qty_shares * self._last(code)
                rows.append(
                    {
                        "종목코드": f"A{code}",
                        "종목명": self._name(code),
                        "보유수량": holding.qty_shares,
                        "평균단가": holding.average_krw,
                        "현재가": self._last(code),
                        "평가금액": value_krw,
                        "손익금액": value_krw - holding.cost_krw,
                        "매입금액": holding.cost_krw,
                    }
                )
        single: Values = {
            "계좌명": self._broker.options.account.user_name,
            "예수금": self._account.start_cash_krw,
            "D+2추정예수금": self._account.cash_krw,
            "유가잔고평가액": self._value_krw(),
            "출력건수": len(rows),
        }
        return Found("종목별계좌평가현황", single, rows)

    def _settled_balance(self, inputs: Inputs) -> Found:
        orderable = self._account.orderable_krw
        rows: list[Values] = [
            {
                "종목번호": f"A{code}",
                "종목명": self._name(code),
                "현재잔고": holding.qty_shares,
                "매입단가": holding.average_krw,
                "매입금액": holding.cost_krw,
            }
            for code, holding in self._account.holdings.items()
            if holding.qty_shares
        ]
        single: Values = {
            "예수금": self._account.start_cash_krw,
            "예수금D+2": self._account.cash_krw,
            "주문가능현금": orderable,
            **{f"{rate}주문가능금액": orderable for rate in (20, 30, 40, 100)},
        }
        return Found("종목별계좌체결현황", single, rows)

    def _holdings(self, inputs: Inputs) -> Found:
        rows: list[Values] = []
        for code, holding in self._account.holdings.items():
            if not holding.qty_shares:
                continue
            value_krw = holding.qty_shares * self._last(code)
            rows.append(
                {
                    "종목번호": f"A{code}",
                    "종목명": self._name(code),
                    "평가손익": value_krw - holding.cost_krw,
                    "매입가": holding.average_krw,
                    "전일종가": self._feed.touch(code, Venue.KRX).base_krw,
                    "보유수량": holding.qty_shares,
                    "매매가능수량": holding.sellable_shares,
                    "현재가": self._last(code),
                    "금일매수수량": holding.bought_today,
                    "금일매도수량": holding.sold_today,
                    "매입금액": holding.cost_krw,
                    "매입수수료": holding.commission_krw,
                    "평가금액": value_krw,
                    "세금": holding.tax_krw,
                }
            )
        single: Values = {
            "총매입금액": sum(h.cost_krw for h in self._account.holdings.values()),
            "총평가금액": self._value_krw(),
            "추정예탁자산": self._account.cash_krw + self._value_krw(),
            "조회건수": len(rows),
        }
        return Found("계좌평가잔고개별합산", single, rows)

    def _returns(self, inputs: Inputs) -> Found:
        rows: list[Values] = []
        for code, holding in self._account.holdings.items():
            rows.append(
                {
                    "종목코드": code,
                    "종목명": self._name(code),
                    "현재가": _signed(self._last(code), self._feed.touch(code, Venue.KRX).base_krw),
                    "매입가": holding.average_krw,
                    "매입금액": holding.cost_krw,
                    "보유수량": holding.qty_shares,
                    "당일매도손익": holding.realised_krw,
                    "당일매매수수료": holding.commission_krw,
                    "당일매매세금": holding.tax_krw,
                    "결제잔고": holding.qty_shares - holding.bought_today + holding.sold_today,
                    "청산가능수량": holding.sellable_shares,
                }
            )
        return Found("계좌수익률", rows=rows)

    # -- market ----------------------------------------------------------------------------

    def _symbol(self, text: str) -> tuple[str, Venue] | None:
        code, venue = unsuffixed(text.strip())
        return (code, venue) if Feed.known_code(text.strip(), self._broker.exchange) else None

    def _basic_info(self, inputs: Inputs) -> Found:
        found = self._symbol(inputs.get("종목코드", ""))
        if found is None:
            return Found("주식기본정보")
        code, venue = found
        touch = self._feed.touch(code, venue)
        stall = self._broker.exchange.instruments[code].stalls[venue]
        prices = {
            "시가": stall.open_krw,
            "고가": stall.high_krw,
            "저가": stall.low_krw,
            "상한가": touch.upper_krw,
            "하한가": touch.lower_krw,
            "현재가": touch.last_krw,
        }
        single: dict[str, int | str] = {
            name: _signed(price, touch.base_krw) for name, price in prices.items()
        }
        change_krw = touch.last_krw - touch.base_krw
        single |= {
            "종목코드": inputs["종목코드"],
            "종목명": self._name(code),
            "기준가": touch.base_krw,
            "전일대비": f" {change_krw:+d}" if change_krw else " 0",
            "등락율": f" {change_krw * 100 / touch.base_krw:+.2f}",
            "거래량": stall.volume_shares,
        }
        return Found("주식기본정보", single=single)

    def _book(self, inputs: Inputs) -> Found:
        found = self._symbol(inputs.get("종목코드", ""))
        if found is None:
            return Found("주식호가")
        frame = self._feed.book_frame(*found)
        single: dict[str, int | str] = {"호가잔량기준시간": frame.hhmmss}
        for name, levels in (("매도", frame.asks), ("매수", frame.bids)):
            for level in range(1, 11):
                price, qty = levels[level - 1] if level <= len(levels) else (0, 0)
                price_name, qty_name = _book_names(name, level)
                single[price_name] = _signed(price, frame.base_krw)
                single[qty_name] = qty
        single["총매도잔량"], single["총매수잔량"] = frame.ask_total, frame.bid_total
        return Found("주식호가", single=single)

    def _watch_list(self, inputs: Inputs) -> Found:
        rows: list[Values] = []
        for text in inputs.get("종목코드", "").split(";"):
            found = self._symbol(text)
            if found is None:
                continue
            frame, touch = self._feed.book_frame(*found), self._feed.touch(*found)
            row: dict[str, int | str] = {
                "종목코드": text,
                "종목명": self._name(found[0]),
                "현재가": _signed(touch.last_krw, touch.base_krw),
                "기준가": touch.base_krw,
                "상한가": _signed(touch.upper_krw, touch.base_krw),
                "하한가": _signed(touch.lower_krw, touch.base_krw),
                "매도호가": _signed(touch.ask_krw, touch.base_krw),
                "매수호가": _signed(touch.bid_krw, touch.base_krw),
                "우선매도잔량": frame.asks[0][1] if frame.asks else 0,
                "우선매수잔량": frame.bids[0][1] if frame.bids else 0,
                "총매도잔량": frame.ask_total,
                "총매수잔량": frame.bid_total,
            }
            for level in range(1, 6):
                for name, levels in (("매도", frame.asks), ("매수", frame.bids)):
                    price = levels[level - 1][0] if level <= len(levels) else 0
                    row[f"{name}{level}차호가"] = _signed(price, touch.base_krw)
            rows.append(row)
        return Found("관심종목정보", rows=rows)

    def _interruptions(self, inputs: Inputs) -> Found:
        rows: list[Values] = []
        for code, instrument in self._broker.exchange.instruments.items():
            for venue, stall in instrument.stalls.items():
                if stall.vi is not None:
                    rows.append(
                        {
                            "종목코드": code if venue is Venue.KRX else f"{code}_NX",
                            "종목명": instrument.listing.name,
                            "발동가격": stall.vi.trigger_krw,
                        }
                    )
        return Found("변동성완화장치발동종목", rows=rows)


def _book_names(side: str, level: int) -> tuple[str, str]:
    """The field names of a book level; the first and the sixth are irregular (Kiwoom sheet 7)."""
    if level == 1:
        return f"{side}최우선호가", f"{side}최우선잔량"
    if level == 6:
        return ("매도6차선호가" if side == "매도" else "매수6우선호가"), f"{side}6우선잔량"
    return f"{side}{level}차선호가", f"{side}{level}차선잔량"
