"""How a service becomes a process: settings, logs, signals, metrics, the loop, a clean end."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from services.contracts.envelope import Envelope
from services.contracts.step import StateT
from services.contracts.streams import ALERTS
from services.runtime import complaints
from services.runtime.build import build_id
from services.runtime.bus import BusUnavailable, Fenced, RedisBus, Unwritable, Write, connect
from services.runtime.clock import RedisClock
from services.runtime.fenced import Bystander
from services.runtime.logs import configure_logs
from services.runtime.loop import ServiceLoop
from services.runtime.meter import Meter
from services.runtime.metrics import Exporter, serve
from services.runtime.parts import StateUnreadable
from services.runtime.private import keep_private
from services.runtime.process_figures import process_figures
from services.runtime.redis_version import TooOld
from services.runtime.service import Service
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings
from services.runtime.stop_signals import stop_on_signals

EXIT_BAD_SETTINGS = 2
EXIT_FENCED = 3
"""Another instance held the epoch, and this process has waited behind it: to be started again."""
EXIT_STATE = 4


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
    4: the stored state does not fit, or Redis does not take it. `close` lets go of what the service holds
    besides, before a fenced process waits.
    """
    keep_private()
    try:
        runtime = load_settings(RuntimeSettings)
        configure_logs(runtime.log_level, runtime.log_file)
        service = replace(build(runtime), instance=instance_name(), build_id=build_id())
        exporter = exporter_of(service)
        serve(exporter, runtime.metrics_port, runtime.metrics_host)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_SETTINGS
    log = structlog.get_logger(service=service.name)
    stop = stop_on_signals()
    bus = connect(runtime.redis_url)
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
        log.error("cannot start", error=str(error))
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_SETTINGS
    except Unwritable as error:
        log.error("ending", error=str(error))
        return EXIT_STATE
    except StateUnreadable as error:
        log.error("state unreadable", error=str(error))
        tell_unreadable(bus, service.name, error)
        return EXIT_STATE
    log.info("stopped")
    return 0
