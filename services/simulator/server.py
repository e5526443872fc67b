"""The process around the world: wall time drives it, sockets reach it, controls come and go.

The world goes on whoever is connected. Book frames that piled up for one code are reduced to the
newest, and real-time frames to a reader that does not read are dropped; nothing else ever is.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.runtime.stop_signals import StopFlag
from services.simulator.events import Ticked, event_to_wire
from services.simulator.frames import BookFrame
from services.simulator.sessions import Outbound, Session
from services.simulator.wire import MAX_LINE_BYTES, Address, decode, encode
from services.simulator.world import World

SLOWEST_S, FASTEST_S = 0.05, 0.004
MAX_UNREAD_BYTES = 4 * 1024 * 1024


def wall_clock() -> Callable[[], int]:
    """Unix nanoseconds that never run backwards."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: time.monotonic_ns() + offset


class Server:
    """Serve `world` at `address` until `stop` is set; `clock` gives the core's time."""

    def __init__(self, world: World, address: Address, clock: Callable[[], int], stop: StopFlag) -> None:
        self.world, self.address, self.clock, self._stop = world, address, clock, stop
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    async def run(self, ready: Callable[[Address], None]) -> None:
        """Listen, say so with the bound address, and drive the world. Raises OSError."""
        if self.address.path:
            Path(self.address.path).unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._serve, self.address.path, limit=MAX_LINE_BYTES)
            Path(self.address.path).chmod(0o600)
            bound = self.address
        else:
            server = await asyncio.start_server(
                self._serve, self.address.host, self.address.port, limit=MAX_LINE_BYTES
            )
            bound = Address(host=self.address.host, port=server.sockets[0].getsockname()[1])
        ready(bound)
        try:
            await self._drive()
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            if self.address.path:
                Path(self.address.path).unlink(missing_ok=True)

    async def _drive(self) -> None:
        while not self._stop.is_set():
            self._deliver(self.world.advance(self.clock()))
            due_ns = self.world.next_due_ns
            wait_s = SLOWEST_S if due_ns is None else (due_ns - self.clock()) / 1e9
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(SLOWEST_S, max(FASTEST_S, wait_s)))

    def _deliver(self, outbound: list[Outbound]) -> None:
        lines: dict[int, list[bytes]] = {}
        for number, event in newest_books(outbound):
            writer = self._writers.get(number)
            if writer is None or (isinstance(event, Ticked) and self._unread(writer) > MAX_UNREAD_BYTES):
                continue
            lines.setdefault(number, []).append(encode(event_to_wire(event)))
        for number, parts in lines.items():
            self._writers[number].write(b"".join(parts))

    @staticmethod
    def _unread(writer: asyncio.StreamWriter) -> int:
        return writer.transport.get_write_buffer_size()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        session: Session | None = None
        try:
            while line := await reader.readline():
                message = decode(line)
                if session is None and "call" in message:
                    session = self.world.connect()
                    self._writers[session.number] = writer
                writer.write(encode({"id": message.get("id"), **self._answer(session, message)}))
                await writer.drain()
                self._wake.set()
        except (ValueError, ConnectionError) as error:
            with contextlib.suppress(ConnectionError):
                writer.write(encode({"id": None, "error": f"unreadable message: {error}"}))
        finally:
            if session is not None:
                self._writers.pop(session.number, None)
                self.world.drop(session)
            writer.close()

    def _answer(self, session: Session | None, message: dict[str, Any]) -> dict[str, Any]:
        try:
            if session is not None and "call" in message:
                args = list(message.get("args", []))
                return {"ret": self.world.call(session, self.clock(), message["call"], args)}
            return {"ret": self._admin(message.get("admin"), dict(message.get("args", {})))}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _admin(self, verb: str | None, args: dict[str, Any]) -> Any:
        if verb == "snapshot":
            self._deliver(self.world.advance(self.clock()))
            return self.world.snapshot()
        if verb == "inject":
            self.world.inject(self.clock(), str(args.pop("what", "")), args)
            return True
        if verb == "stop":
            self._stop.set()
            return True
        raise ValueError(f"no verb {verb!r}; known are inject, snapshot, stop")


def newest_books(outbound: list[Outbound]) -> list[Outbound]:
    """Leave out the book frames that a later one of the same session and code makes old."""
    last: dict[tuple[int, str], int] = {}
    for place, (number, event) in enumerate(outbound):
        if isinstance(event, Ticked) and isinstance(event.frame, BookFrame):
            last[number, event.code] = place
    return [
        (number, event)
        for place, (number, event) in enumerate(outbound)
        if not (isinstance(event, Ticked) and isinstance(event.frame, BookFrame))
        or last[number, event.code] == place
    ]
