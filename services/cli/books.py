"""The simulated broker's own books: the ground truth that the services' figures are held against."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from services.cli.faults import Fault
from services.simulator.wire import encode, parse_address

TIMEOUT_S = 5.0


class Books(BaseModel):
    """Cash in KRW, holdings in shares, and the most requests that arrived within any second."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start_cash_krw: int
    cash_krw: int
    commission_krw: int
    tax_krw: int
    start_holdings: dict[str, int]
    holdings: dict[str, int]
    orders_admitted: int
    orders_refused: int
    max_orders_per_s: int
    queries_admitted: int
    queries_refused: int
    max_queries_per_s: int
    self_trades: int = 0
    working_orders: int = 0

    @property
    def cash_change_krw(self) -> int:
        return self.cash_krw - self.start_cash_krw

    @property
    def net_position_shares(self) -> int:
        """Shares held beyond, or missing from, what was held at the start."""
        codes = self.holdings.keys() | self.start_holdings.keys()
        return sum(abs(self.holdings.get(code, 0) - self.start_holdings.get(code, 0)) for code in codes)


def read_books(address: str) -> Books:
    """Ask a simulator for its books.

    Raises:
        Fault: it does not answer, or answers something else.
    """
    answer = _ask(address, {"id": 1, "admin": "snapshot", "args": {}})
    try:
        orders: list[dict[str, Any]] = answer["ret"]["orders"]
        working = sum(1 for order in orders if not order["closed"])
        return Books.model_validate({**answer["ret"], "working_orders": working})
    except (KeyError, TypeError, ValidationError) as error:
        raise Fault(f"the simulator at {address} sent books that cannot be read: {error}") from error


def _ask(address: str, question: dict[str, Any]) -> dict[str, Any]:
    try:
        with parse_address(address).connect(TIMEOUT_S) as sock, sock.makefile("rb") as lines:
            sock.sendall(encode(question))
            answer: dict[str, Any] = json.loads(lines.readline())
            return answer
    except (OSError, ValueError) as error:
        raise Fault(f"the simulator at {address} does not give its books: {error}",
                    "Look at the end of its log.") from error  # fmt: skip
