"""A client of the simulator's own verbs, for tests, checkers and the demo; never for the gateway."""

import socket
from types import TracebackType
from typing import Any, Self

from services.simulator.wire import decode, encode, parse_address


class SimulatorRefused(RuntimeError):
    """The simulator understood and said no; the text is its reason."""


class Admin:
    """One connection to a running simulator. Raises OSError when it cannot be reached.

    with Admin("unix:/run/simulator.sock") as admin:
        admin.inject("halt", code="005930")
        truth = admin.snapshot()
    """

    def __init__(self, address: str, timeout_s: float = 10.0) -> None:
        self._sock: socket.socket = parse_address(address).connect(timeout_s)
        self._file = self._sock.makefile("rb")
        self._next = 0

    def snapshot(self) -> dict[str, Any]:
        """The truth of the broker's books; the keys are those of `snapshot.snapshot`."""
        truth: dict[str, Any] = self._ask("snapshot", {})
        return truth

    def inject(self, what: str, **args: Any) -> None:
        """Make something happen now (`World.inject`). Raises SimulatorRefused."""
        self._ask("inject", {"what": what, **args})

    def stop(self) -> None:
        """End the simulator."""
        self._ask("stop", {})

    def close(self) -> None:
        self._file.close()
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, verb: str, args: dict[str, Any]) -> Any:
        self._next += 1
        self._sock.sendall(encode({"id": self._next, "admin": verb, "args": args}))
        line = self._file.readline()
        if not line:
            raise ConnectionError("the simulator closed the connection")
        reply = decode(line)
        if "error" in reply:
            raise SimulatorRefused(reply["error"])
        return reply["ret"]
