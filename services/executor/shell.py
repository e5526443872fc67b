"""The executor as a service: what it reads, and its state at first start. It has no I/O of its own."""

from collections.abc import Sequence

from services.contracts.streams import CONTROL, ORDERS, PAIRS, STOPS, TICKS, VENUE, key_of
from services.executor.core import decide
from services.executor.counts import counted
from services.executor.gauges import readings
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.runtime.service import Service
from services.runtime.settings import RuntimeSettings, load_settings

NAME = "executor"


def build(runtime: RuntimeSettings) -> Service[ExecutorState]:
    """Return the executor, ready to be run.

    Raises:
        SettingsError: `executor.toml` cannot be used; says where and how to mend it.
    """
    return executor_service(load_settings(ExecutorSettings), runtime.groups)


def executor_service(settings: ExecutorSettings, groups: Sequence[str]) -> Service[ExecutorState]:
    """Return the service that buys and sells the pairs of all groups."""
    return Service(
        trades=True,
        name=NAME,
        decide=decide,
        initial=ExecutorState(settings=settings),
        committed=tuple(key_of(stream) for stream in (STOPS, PAIRS, ORDERS, VENUE, CONTROL)),
        newest=tuple(key_of(TICKS, group) for group in groups),
        reference_hash_of=lambda state: state.reference_hash,
        exports=NAME,
        readings=readings,
        counted=counted,
    )
