"""The simulated broker's own books: the ground truth that the services' figures are held against."""

import json
from typing import Any

from pydantic import ValidationError

from services.cli.faults import Fault
from services.lab.broker_books import BrokerBooks
from services.simulator.wire import encode, parse_address

TIMEOUT_S = 5.0


def read_books(address: str) -> BrokerBooks:
    """Ask a simulator for its books.

    Raises:
        Fault: it does not answer, or answers something else.
    """
    answer = _ask(address, {"id": 1, "admin": "snapshot", "args": {}})
    try:
        return BrokerBooks.model_validate(answer["ret"])
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
