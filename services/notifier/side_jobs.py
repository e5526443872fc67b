"""Which jobs the worker runs: those that this program puts into its queue, and no other.

rq imports and calls whatever function a job names, its callbacks too, and posts to the addresses that it
brings. Whoever writes to Redis could so run any program as the worker. Here a job's text only chooses from
`RUN`, and nothing else that it names is looked up. Its parts are JSON: no pickle is ever loaded.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from rq.job import Job

from services.notifier.jobs import post_digest

RUN: Final[Mapping[str, Callable[..., Any]]] = {
    f"{function.__module__}.{function.__qualname__}": function for function in (post_digest,)
}
JOB_BYTES: Final = 1024 * 1024
"""A digest of sixty alerts is 100 KB."""
_PACKED: Final = ("data", "exc_info")
_CALLED: Final = ("success_callback_name", "failure_callback_name", "stopped_callback_name", "webhooks")


class JobRefused(RuntimeError):
    """A job that nobody of ours put into the queue: says what it wanted."""


class SideJob(Job):
    """A job that runs only what stands in `RUN`. `refusal` says why it is not run at all."""

    unreadable: str = ""

    def restore(self, raw_data: Any) -> Any:
        """Take over what Redis holds; a job that cannot be read whole is one that is refused."""
        try:
            _check_sizes(raw_data)
            kept = {name: value for name, value in raw_data.items() if _text(name) not in _CALLED}
            super().restore(kept)
        except Exception as error:
            self.unreadable = f"{type(error).__name__}: {error}"

    @property
    def refusal(self) -> str:
        """Say what is wrong with it, empty where nothing is."""
        if self.unreadable:
            return self.unreadable
        try:
            name, instance = self.func_name, self.instance
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "" if name in RUN and instance is None else f"it wants to run {name}"

    @property
    def func(self) -> Callable[..., Any]:
        if self.refusal:
            raise JobRefused(self.refusal)
        return RUN[str(self.func_name)]


def _check_sizes(raw: Mapping[Any, Any]) -> None:
    if sum(len(value) for value in raw.values()) > JOB_BYTES:
        raise JobRefused(f"it is larger than {JOB_BYTES} bytes")
    for name, value in raw.items():
        if _text(name) in _PACKED and _unpacks_beyond(value):
            raise JobRefused(f"its {_text(name)} unpacks to more than {JOB_BYTES} bytes")


def _unpacks_beyond(packed: bytes) -> bool:
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, JOB_BYTES)
    except zlib.error:
        return False
    return bool(unpacking.unconsumed_tail)


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
