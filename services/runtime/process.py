"""How a service becomes a process: settings, logs, signals, metrics, the loop, a clean end."""

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog

from services.contracts.envelope import Envelope
from services.contracts.step import StateT
from services.contracts.streams import ALERTS
from services.runtime import complaints
from services.runtime.build import build_id
from services.runtime.bus import BusUnavailable, Fenced, Unwritable, Write
from services.runtime.clock import RedisClock
from services.runtime.fenced import Bystander
from services.runtime.logs import configure_logs
from services.runtime.loop import ServiceLoop
from services.runtime.meter import Meter
from services.runtime.metrics import Exporter, serve
from services.runtime.parts import StateUnreadable
from services.runtime.private import keep_private
from services.runtime.process_figures import process_figures
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_version import TooOld
from services.runtime.service import Service
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings
from services.runtime.stop_signals import stop_on_signals
from services.runtime.system import ForeignSystem, own_system

EXIT_BAD_SETTINGS = 2
EXIT_FENCED = 3
"""Another instance held the epoch, and this process has waited behind it: to be started again."""
EXIT_STATE = 4
EXIT_FOREIGN = 6
"""The Redis belongs to another system; 5 is the gateway's refused login."""
SUPERVISED: Final = "SUPERVISOR_ENABLED"
"""supervisord sets it for what it runs."""
SUPERVISED_START_S: Final = 3
"""supervisord starts again what ends sooner, whatever its exit code says."""


def instance_name() -> str:
    """Return what tells this process from another of the same service: host and pid."""
    return f"{socket.gethostname()}-{os.getpid()}"


def tell_unreadable(bus: RedisBus, service: str, error: Exception) -> None:
    """Tell people why a service does not start, where Redis takes it."""
    with suppress(BusUnavailable):
        now_ns = bus.time_ns()
        (alert,) = complaints.state_unreadable(service, str(error))
        told = Envelope.wrap(alert, source=service, now_ns=now_ns, causation_id=f"state-{service}-{now_ns}")
        bus.append([Write(ALERTS.key, told, ALERTS.kept)])


def ended_for_good(code: int, why: object) -> int:
    """Say why a new start would end the same way; returns the exit code, late enough to be believed."""
    structlog.get_logger().error("cannot start", error=str(why), exit_code=code)
    print(f"error: {why}", file=sys.stderr, flush=True)
    if os.environ.get(SUPERVISED):
        time.sleep(SUPERVISED_START_S + 0.5)
    return code


def exporter_of(service: Service[StateT]) -> Exporter:
    """Return the exporter of a service's metrics, with the figures of this process."""
    exporter = Exporter(service.exports)
    exporter.read_from(process_figures(service.build_id))
    for source in service.sources:
        exporter.read_from(source)
    return exporter


def run_service(
    build: Callable[[RuntimeSettings], Service[StateT]], close: Callable[[], None] = lambda: None
) -> int:
    """Run one service until a signal; returns the exit code.

    2: settings cannot be used, or Redis is too old; 3: another instance took over, and was silent since;
    4: the stored state does not fit, or Redis does not take it; 6: the Redis belongs to another system.
    `close` lets go of what the service holds besides, before a fenced process waits.
    """
    keep_private()
    try:
        runtime = load_settings(RuntimeSettings)
        configure_logs(runtime.log_level, runtime.log_file)
        bus = connect(runtime.redis_url, system=own_system(runtime))
        with suppress(BusUnavailable):  # the loop waits for Redis, and claims it then
            bus.claim()
        service = replace(build(runtime), instance=instance_name(), build_id=build_id())
        exporter = exporter_of(service)
        serve(exporter, runtime.metrics_port, runtime.metrics_host)
    except SettingsError as error:
        return ended_for_good(EXIT_BAD_SETTINGS, error)
    except ForeignSystem as error:
        return ended_for_good(EXIT_FOREIGN, error)
    log = structlog.get_logger(service=service.name)
    stop = stop_on_signals()
    meter = Meter(exporter, service.readings, service.counted)
    loop: ServiceLoop[Any] = ServiceLoop(service, bus, RedisClock(bus.time_ns), meter)
    try:
        loop.run(stop)
    except Fenced as error:
        log.error("fenced", error=str(error))
        close()
        Bystander(bus, service.name, service.instance).wait(stop.is_set)
        return EXIT_FENCED
    except TooOld as error:
        return ended_for_good(EXIT_BAD_SETTINGS, error)
    except Unwritable as error:
        return ended_for_good(EXIT_STATE, error)
    except StateUnreadable as error:
        tell_unreadable(bus, service.name, error)
        return ended_for_good(EXIT_STATE, error)
    except ForeignSystem as error:
        return ended_for_good(EXIT_FOREIGN, error)
    log.info("stopped")
    return 0
