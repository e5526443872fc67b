"""A thread that goes on calling the steps of one of the gateway's two sides of Redis."""

import threading
from collections.abc import Callable


class RedisThread:
    """`step` returns the seconds to wait before the next one, None when there is none."""

    def __init__(self, name: str, step: Callable[[], float | None]) -> None:
        self._step = step
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let no further step begin, and end a wait."""
        self._stopping.set()

    def join(self, within_s: float) -> None:
        """Wait for the end, where it was started."""
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = self._step()
            if wait_s is None:
                return
            if wait_s:
                self._stopping.wait(wait_s)
