"""The executor as a service: what it reads, and its state at first start. It has no I/O of its own."""

from collections.abc import Sequence

from services.contracts.streams import CONTROL, ORDERS, PAIRS, TICKS, VENUE, key_of
from services.executor.core import decide
from services.executor.counts import counted
from services.executor.gauges import readings
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.market.errors import ConfigError
from services.market.files import HOGA_FILE, load_toml
from services.market.hoga import HogaTable
from services.runtime.service import Service
from services.runtime.settings import RuntimeSettings, SettingsError, config_dir, load_settings

NAME = "executor"


def build(runtime: RuntimeSettings) -> Service[ExecutorState]:
    """Return the executor, ready to be run.

    Raises:
        SettingsError: `executor.toml` or `hoga.toml` cannot be used; says where and how to mend it.
    """
    settings = load_settings(ExecutorSettings)
    try:
        hoga = load_toml(config_dir() / HOGA_FILE, HogaTable)
    except ConfigError as error:
        raise SettingsError(str(error)) from error
    return executor_service(settings, hoga, runtime.groups)


def executor_service(
    settings: ExecutorSettings, hoga: HogaTable, groups: Sequence[str]
) -> Service[ExecutorState]:
    """Return the service that knows which kinds of order `hoga` allows and sells what any group bought."""
    return Service(
        name=NAME,
        decide=decide,
        initial=ExecutorState(settings=settings, hoga=hoga),
        committed=tuple(key_of(stream) for stream in (PAIRS, ORDERS, VENUE, CONTROL)),
        newest=tuple(key_of(TICKS, group) for group in groups),
        reference_hash_of=lambda state: state.reference_hash,
        exports=NAME,
        readings=readings,
        counted=counted,
    )
