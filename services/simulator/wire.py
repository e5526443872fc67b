"""The socket between the simulated world and its controls: addresses and JSON lines.

Every message is one line of UTF-8 JSON. A client asks `{"id": n, "call": name, "args": [...]}` (a
method of the control) or `{"id": n, "admin": verb, "args": {...}}`; the answer is
`{"id": n, "ret": value}` or `{"id": n, "error": text}`. Lines with the key `event` come unasked.
"""

import json
import socket
from dataclasses import dataclass
from typing import Any

MAX_LINE_BYTES = 4 * 1024 * 1024


class AddressError(ValueError):
    """An address that is neither `unix:/path` nor `tcp:host:port` on a loopback host."""


@dataclass(frozen=True)
class Address:
    """Where the world listens. Loopback only: the socket has no authentication."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"tcp:{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> socket.socket:
        """A connected blocking socket. Raises OSError."""
        if self.path:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout_s)
            try:
                sock.connect(self.path)
            except OSError:
                sock.close()
                raise
            return sock
        sock = socket.create_connection((self.host, self.port), timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def parse_address(text: str) -> Address:
    """Read `unix:/path` or `tcp:127.0.0.1:port`. Raises AddressError."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest and not hasattr(socket, "AF_UNIX"):
        raise AddressError(f"{text!r}: this system has no Unix sockets; write tcp:127.0.0.1:port")
    if kind == "unix" and rest:
        return Address(path=rest)
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host in ("127.0.0.1", "localhost", "::1") and port.isdigit():
        return Address(host=host, port=int(port))
    raise AddressError(f"{text!r} is not an address; write unix:/path/of/socket or tcp:127.0.0.1:port")


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Raises ValueError for a line that is not a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    return message
