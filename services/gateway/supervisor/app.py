"""From settings to a running supervisor.

Exit codes: 0 told to stop (the gateway was stopped before), 2 settings, or another supervisor watches.
"""

import socket
import sys
import time
from pathlib import Path

from services.contracts.system import SystemIdentity
from services.gateway import halt_file
from services.gateway.settings import GatewaySettings, system_of
from services.gateway.supervisor.child import Child
from services.gateway.supervisor.lock import Taken, take
from services.gateway.supervisor.reporter import SOURCE, Reporter
from services.gateway.supervisor.session_end import SessionEnd, watch_session
from services.gateway.supervisor.settings import SupervisorSettings
from services.gateway.supervisor.shell import Shell
from services.gateway.supervisor.timetable import resting
from services.gateway.supervisor.windows import window_source
from services.gateway.watched import look
from services.market.errors import ConfigError
from services.market.files import MarketRules, load_market, read_day_plan
from services.market.market_clock import REAL_TIME, MarketClock
from services.runtime.bus import BusUnavailable
from services.runtime.logs import configure_logs
from services.runtime.private import keep_private
from services.runtime.process import EXIT_BAD_SETTINGS
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.settings import RuntimeSettings, SettingsError, config_dir, load_settings
from services.runtime.slack import WebhookUnusable, post, webhook_url
from services.runtime.stop_signals import stop_on_signals
from services.runtime.system import ForeignSystem

GATEWAY_LOG = "gateway.log"
OWN_LOG = "gateway-supervisor.log"
REDIS_TIMEOUT_S = 2
REPORT_S = 10.0
HURRIED_REPORT_S = 0.5


def main() -> int:
    """Watch one gateway until told to stop; returns the exit code."""
    keep_private()
    try:
        runtime, settings = load_settings(RuntimeSettings), load_settings(SupervisorSettings)
        gateway = load_settings(GatewaySettings)
        rules = load_market(config_dir())
        clock: MarketClock = read_day_plan(Path(runtime.day_plan)) if runtime.day_plan else REAL_TIME
        logs = Path(runtime.log_file).parent if runtime.log_file else settings.log_dir
        logs.mkdir(parents=True, exist_ok=True)
        configure_logs(runtime.log_level, runtime.log_file or str(logs / OWN_LOG), SOURCE)
        lock = take(gateway.state_dir)
        halt_file.prepare(gateway.halt_file)
        shell, reporter, ending = _shell(runtime, settings, gateway, rules, clock, logs)
    except (SettingsError, ConfigError, WebhookUnusable, Taken, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_BAD_SETTINGS
    watch_session(ending)
    reporter.start()
    while shell.look_and_act():
        look(gateway.state_dir)
        time.sleep(settings.look_ms / 1_000)
    reporter.finish(HURRIED_REPORT_S if ending.hurried else REPORT_S)
    lock.close()
    ending.over()
    return 0


def _bus(runtime: RuntimeSettings, system: SystemIdentity) -> RedisBus:
    """Return the bus of this system. Raises BusUnavailable where Redis is away, or that of another system."""
    bus = connect(runtime.redis_url, timeout_s=REDIS_TIMEOUT_S, system=system)
    try:
        bus.claim()
    except ForeignSystem as error:
        raise BusUnavailable(str(error)) from error
    return bus


def _shell(
    runtime: RuntimeSettings, settings: SupervisorSettings, gateway: GatewaySettings, rules: MarketRules,
    clock: MarketClock, logs: Path,
) -> tuple[Shell, Reporter, SessionEnd]:  # fmt: skip
    stop = stop_on_signals()
    ending = SessionEnd(stop.set, lambda why: halt_file.lay(gateway.halt_file, why, time.time_ns()))
    url, system = webhook_url(config_dir()), system_of(runtime, gateway)
    reporter = Reporter(
        lambda: _bus(runtime, system),
        None if url is None else lambda payload: post(url, payload),
        redis_away_s=settings.redis_away_s, repeat_s=settings.repeat_s, host=socket.gethostname(),
        language=settings.language,
    )  # fmt: skip
    log, out = logs / GATEWAY_LOG, logs / f"{GATEWAY_LOG.removesuffix('.log')}.out"

    def hour() -> tuple[bool, str]:
        wall_ns = time.time_ns()
        return resting(settings, rules, clock, wall_ns), clock.trading_date_at(wall_ns)

    shell = Shell(
        settings, name=gateway.name, child=Child(settings.command, gateway.state_dir, out, log),
        windows=window_source(), reporter=reporter, state_dir=gateway.state_dir, halt_path=gateway.halt_file,
        logs=(log, out), hour=hour, told_to_stop=stop.is_set,
        ending=ending,
    )  # fmt: skip
    return shell, reporter, ending
