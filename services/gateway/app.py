"""From settings to a running gateway process, and its clean end.

Start is recovery: take the epoch, load the state, join it with the log of intentions, then connect. All that
can fail is tried before the epoch is taken, so that a start that fails fences nobody.
Exit codes: 0 told to stop, 1 failed, 2 settings or no control, 3 another gateway held and is silent,
4 stored state or log unusable or writes not taken, 5 the login is refused, 6 the Redis belongs to another
system, 10 connection lost, 11 the broker's nightly cut.
"""

import faulthandler
import sys
from pathlib import Path
from typing import Any

import structlog
from PyQt5.QtCore import QCoreApplication, QTimer

from services.contracts.system import SystemIdentity
from services.contracts.terms import GatewayMode
from services.gateway import halt_file
from services.gateway.adapters.ocx import Ocx
from services.gateway.adapters.qax import NoControl, create_control
from services.gateway.control_calls import Calls, OrderPort, Slots
from services.gateway.figures import Figures
from services.gateway.intention_log import IntentionLog, LogDamaged
from services.gateway.outbox import Outbox
from services.gateway.pulse import FENCED, WAITING_FOR_REDIS, PulseFile, Vitals
from services.gateway.redis_reader import RedisReader
from services.gateway.redis_writer import QtClock, RedisWriter
from services.gateway.settings import GatewaySettings, system_of
from services.gateway.shell import SOURCE, Identity, Shell
from services.gateway.start import joined, positions_of, rehearsed
from services.gateway.state import GatewayState, initial_state
from services.market.errors import ConfigError
from services.market.files import load_market, read_day_plan
from services.market.market_clock import REAL_TIME
from services.runtime.build import build_id
from services.runtime.bus import BusUnavailable
from services.runtime.clock import Sample
from services.runtime.fenced import Bystander
from services.runtime.logs import configure_logs
from services.runtime.metrics import Exporter, serve
from services.runtime.parts import StateUnreadable
from services.runtime.private import keep_private
from services.runtime.process import (
    EXIT_BAD_SETTINGS,
    EXIT_FENCED,
    EXIT_FOREIGN,
    EXIT_STATE,
    ended_for_good,
    instance_name,
    tell_unreadable,
)
from services.runtime.process_figures import process_figures
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_version import TooOld
from services.runtime.settings import RuntimeSettings, SettingsError, config_dir, load_settings
from services.runtime.stop_signals import Stop, stop_on_signals
from services.runtime.system import ForeignSystem

FLUSH_S = 3.0
MEASURES = 50
MEASURE_AGAIN_S = 0.1


def main() -> int:
    """Run one gateway until it is told to stop; returns the exit code."""
    faulthandler.enable()
    keep_private()
    try:
        runtime, settings = load_settings(RuntimeSettings), load_settings(GatewaySettings)
        configure_logs(runtime.log_level, runtime.log_file, SOURCE)
        system = system_of(runtime, settings)
        first = initial_state(settings, load_market(config_dir()), _market_clock(runtime))
        exporter = Exporter(SOURCE)
        exporter.read_from(process_figures(build_id()))
        serve(exporter, runtime.metrics_port, runtime.metrics_host)
        pulse = _pulse(settings)
    except (SettingsError, ConfigError) as error:
        return ended_for_good(EXIT_BAD_SETTINGS, error)
    stop = stop_on_signals()
    try:
        return _run(runtime, system, first, stop, exporter, pulse)
    except (NoControl, TooOld) as error:
        return ended_for_good(EXIT_BAD_SETTINGS, error)
    except (StateUnreadable, LogDamaged) as error:
        tell_unreadable(connect(runtime.redis_url), SOURCE, error)
        return ended_for_good(EXIT_STATE, error)
    except ForeignSystem as error:
        return ended_for_good(EXIT_FOREIGN, error)


def _pulse(settings: GatewaySettings) -> PulseFile:
    """Make both folders that the gateway cannot do without."""
    setting, folder = "halt_file", settings.halt_file.parent
    try:
        halt_file.prepare(settings.halt_file)
        setting, folder = "state_dir", settings.state_dir
        return PulseFile(settings.state_dir)
    except OSError as error:
        raise SettingsError(
            f"{setting}: {folder}: {error.strerror}. Name a folder of a local disk that this user may write "
            f"(ARB_GATEWAY_{setting.upper()})."
        ) from error


def _market_clock(runtime: RuntimeSettings) -> Any:
    return read_day_plan(Path(runtime.day_plan)) if runtime.day_plan else REAL_TIME


def _run(
    runtime: RuntimeSettings, system: SystemIdentity, first: GatewayState, stop: Stop, exporter: Exporter,
    pulse: PulseFile,
) -> int:  # fmt: skip
    bus, log = connect(runtime.redis_url, system=system), IntentionLog(first.settings.state_dir)
    _patiently(bus.claim, stop, pulse)
    application = _application()
    ocx = Ocx(create_control())
    would_start = _patiently(lambda: rehearsed(bus, log, first, SOURCE), stop, pulse)
    stored = None if would_start is None else _patiently(lambda: bus.take_over(SOURCE), stop, pulse)
    if stored is None:
        return 0
    outbox = Outbox()
    state = bus.codec.restore(first, stored.parts)
    writer = RedisWriter(bus, outbox, SOURCE, stored.epoch, state if stored.parts else None, exporter)
    measured = _measured(writer, stop, pulse)
    if measured is None:
        return 0
    clock = QtClock(writer, measured)
    today = first.clock.trading_date_at(clock.now_ns())
    state = joined(state, log, today, mend=True)
    positions = positions_of(stored.positions, first.settings.name)
    reader = RedisReader(connect(runtime.redis_url), positions, writer.doubt)
    figures = Figures(exporter, writer, clock)
    shell = _shell(
        state, positions, stored.epoch, reader, writer, outbox, clock, log, application, pulse, figures, ocx
    )
    writer.start()
    reader.start()
    code = _loop(application, shell, stop, reader, writer, log)
    if code == EXIT_FENCED:
        _stand_by(connect(runtime.redis_url), stop, pulse)
    return code


def _stand_by(bus: RedisBus, stop: Stop, pulse: PulseFile) -> None:
    """Wait behind the gateway that took over; the supervisor sees a pulse meanwhile."""

    def over() -> bool:
        pulse.beat(Vitals(FENCED))
        return stop.is_set() or pulse.told_to_stop

    Bystander(bus, SOURCE, instance_name()).wait(over)


def _measured(writer: RedisWriter, stop: Stop, pulse: PulseFile) -> Sample | None:
    """Return a measure of Redis's clock that ages can be compared by: all that follows is stamped by it.

    A line that never gives one gives its last: risk then refuses to arm.
    """
    sample: Sample | None = None
    for _ in range(MEASURES):
        sample = _patiently(writer.measure, stop, pulse)
        if sample is None or sample.good:
            break
        stop.wait(MEASURE_AGAIN_S)
    return sample


def _shell(
    state: GatewayState, positions: dict[str, str], epoch: int, reader: RedisReader, writer: RedisWriter,
    outbox: Outbox, clock: QtClock, log: IntentionLog, application: QCoreApplication,
    pulse: PulseFile, figures: Figures, ocx: Ocx,
) -> Shell:  # fmt: skip
    settings = state.settings
    port = None

    def halt() -> halt_file.HaltFile:
        return halt_file.look(settings.halt_file)

    if settings.mode is not GatewayMode.OBSERVE:
        port = OrderPort(ocx, log, lambda: halt().present)
    identity = Identity(instance_name(), epoch, build_id(), clock.now_ns())
    shell = Shell(
        state, positions, identity, reader=reader, writer=writer, outbox=outbox, clock=clock, log=log,
        calls=Calls(ocx), port=port, end=lambda code: application.exit(code), halt=halt,
        pulse=pulse, figures=figures,
    )  # fmt: skip
    shell.slots = Slots(ocx, shell.on_book, shell.on_trade)
    return shell


def _loop(
    application: QCoreApplication, shell: Shell, stop: Stop, reader: RedisReader,
    writer: RedisWriter, log: IntentionLog,
) -> int:  # fmt: skip
    timer = QTimer()
    timer.setInterval(shell.state.settings.timer_ms)

    def turn() -> None:
        if stop.is_set():
            shell.finish(0, "told to stop")
        shell.turn()

    timer.timeout.connect(turn)
    QTimer.singleShot(0, shell.start)
    timer.start()
    code = int(application.exec_())
    timer.stop()
    reader.finish()
    writer.finish(FLUSH_S)
    shell.release()
    log.close()
    return code


def _application() -> QCoreApplication:
    """The control is a widget, so Windows needs the whole application; elsewhere its core is enough."""
    if sys.platform == "win32":
        from PyQt5.QtWidgets import QApplication

        return QApplication(sys.argv)
    return QCoreApplication(sys.argv)


def _patiently(call: Any, stop: Stop, pulse: PulseFile) -> Any:
    """Ask Redis until it answers, or until told to stop (None)."""
    while not stop.is_set() and not pulse.told_to_stop:
        pulse.beat(Vitals(WAITING_FOR_REDIS))
        try:
            return call()
        except BusUnavailable as error:
            structlog.get_logger(service=SOURCE).warning("waiting for Redis", error=str(error))
            stop.wait(0.5)
    return None
