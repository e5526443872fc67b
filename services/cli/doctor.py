"""What this machine lacks: Python, packages, configuration, Redis and its settings, clocks, room.

Each check finds out one thing and changes nothing.
"""

import datetime as dt
import importlib
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import redis

from services.cli.agreements import agreements, folders, unwritable
from services.cli.date_checks import findings_in
from services.cli.faults import Fault, UsageFault
from services.cli.fleet import groups_of
from services.cli.funds import funds_off_in
from services.cli.link import Link, open_link
from services.cli.preflight import Check, checks_of
from services.cli.processes import MANAGER
from services.cli.stack import Stack
from services.cli.system import system_of
from services.contracts.limits import LOSSLESS_ALARM, NS_PER_MS, NS_PER_S
from services.contracts.streams import TABLE
from services.contracts.threshold import ThresholdTable
from services.gateway import halt_file
from services.gateway.halt_file import HaltFile
from services.gateway.settings import GatewaySettings
from services.market.dates import KST
from services.market.errors import ConfigError
from services.market.files import load_limits, load_market, load_toml
from services.notifier.settings import NotifierSettings
from services.risk.files import THRESHOLD_FILE
from services.runtime.build import build_id
from services.runtime.redaction import redacted
from services.runtime.redis_version import OLDEST, version_of
from services.runtime.redis_writes import refusal_of_writes
from services.runtime.settings import RuntimeSettings, SectionSettings, SettingsError, load_settings

POOR_ROUND_TRIP_MS: Final = 20
CLOCK_APART_MS: Final = 1_000
ROOM_GB: Final = 2
PACKAGES: Final = ("redis", "hiredis", "pydantic", "structlog", "rq", "slack_sdk", "PyQt5.QtCore")
SETTINGS: Final = ("gateway", "gateway.supervisor", "detector", "risk", "executor", "notifier")


def examine(config_dir: Path, redis_url: str, run: Path, date: str = "") -> Iterator[Check]:
    """Yield every check, Redis last; `date` is the one to judge, by default the next one to trade on.

    Raises:
        UsageFault: `date` is no date, or one before the tables.
    """
    yield _python()
    yield from (_package(name) for name in PACKAGES)
    yield _rules(config_dir)
    yield from _dates(config_dir, date)
    yield _symbols(config_dir)
    yield _limits(config_dir)
    yield _threshold(config_dir)
    yield from (_settings(name) for name in SETTINGS)
    yield from agreements(config_dir)
    yield from folders()
    yield from _halt_file()
    yield from _room(run)
    yield _left_over(run)
    yield from _redis(redis_url)


def refuse_bad_configuration(config_dir: Path) -> None:
    """See to it that no process starts on files that it could not use.

    The gateway's settings are left to the gateway: which of them hold depends on its machine.

    Raises:
        UsageFault: a file cannot be used; says which, where, and how to mend it.
    """
    checks = (_rules(config_dir), _symbols(config_dir), _limits(config_dir), _threshold(config_dir),
              *(_settings(name) for name in SETTINGS if not name.startswith("gateway")))  # fmt: skip
    for check in checks:
        if not check.ok:
            raise UsageFault(check.detail, check.mend)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, build {build_id()}"
    return Check("python", (3, 11) <= sys.version_info[:2] < (3, 14), found, "Install Python 3.11 to 3.13.")


def _package(name: str) -> Check:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return Check(f"package {name}", False, str(error), "Run `make setup`.")
    return Check(f"package {name}", True, "there")


def _rules(config_dir: Path) -> Check:
    try:
        load_market(config_dir)
    except ConfigError as error:
        return Check("market tables", False, str(error))
    return Check("market tables", True, str(config_dir))


def _dates(config_dir: Path, date: str) -> Iterator[Check]:
    """Judge a date for the mode of this machine's gateway. Files that cannot be used are named elsewhere."""
    try:
        mode = load_settings(GatewaySettings).mode
        yield from checks_of(findings_in(config_dir, date, mode), mode)
        yield from _funds(config_dir, date)
    except (ConfigError, SettingsError) as error:
        yield Check("trading date", False, str(error), "Mend what it names.")


def _funds(config_dir: Path, date: str) -> Iterator[Check]:
    """Name the funds that the symbol map enables and that the date does not trade."""
    funds, why = funds_off_in(config_dir, date)
    if funds:
        mend = (
            "Set enabled to false for them in symbol_map.csv, or give their venue a row in instruments.toml."
        )
        yield Check("funds", True, f"not traded: {funds}; {why}", mend, warns=True)


def _symbols(config_dir: Path) -> Check:
    try:
        groups = groups_of(config_dir)
    except (ConfigError, SettingsError) as error:
        return Check("symbol map", False, str(error))
    return Check("symbol map", bool(groups), f"groups {', '.join(groups) or 'none'}", "Enable a symbol.")


def _limits(config_dir: Path) -> Check:
    try:
        load_limits(config_dir)
    except ConfigError as error:
        return Check("limits", False, str(error))
    return Check("limits", True, "within the hard ceilings")


def _threshold(config_dir: Path) -> Check:
    try:
        table = load_toml(config_dir / THRESHOLD_FILE, ThresholdTable)
    except ConfigError as error:
        return Check("threshold", False, str(error))
    return Check("threshold", True, f"{table.default}, {len(table.symbol)} symbols have a row of their own")


def _settings(service: str) -> Check:
    module = importlib.import_module(f"services.{service}.settings")
    sections: list[type[SectionSettings]] = [
        item for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, SectionSettings) and item is not SectionSettings
    ]  # fmt: skip
    everything: list[type[SectionSettings]] = [RuntimeSettings, *sections]
    try:
        for section in everything:
            if _is_complete_without_environment(section):
                load_settings(section)
    except SettingsError as error:
        return Check(f"settings of {service}", False, str(error), "Mend what it names.")
    return Check(f"settings of {service}", True, "good")


def _is_complete_without_environment(section: type[SectionSettings]) -> bool:
    """A detector's group comes from each process's own environment: not to be judged here."""
    return not any(field.is_required() for field in section.model_fields.values())


def _halt_file() -> Iterator[Check]:
    """Whether the gateway's emergency stop could be laid on this machine, and whether one lies there."""
    try:
        path = load_settings(GatewaySettings).halt_file
    except SettingsError:
        return  # named elsewhere
    problem = unwritable(path.parent)
    if problem:
        detail = f"none can be laid at {path}: {problem}"
        yield Check("halt file", False, detail, "Name another one in halt_file of gateway.toml.")
        return
    found = halt_file.look(path) if path.parent.is_dir() else HaltFile()
    detail = found.entry or found.why or f"none beside {path}"
    mend = "Remove it when trading may go on; the supervisor's goes by itself."
    yield Check("halt file", not found.present, detail, mend)


def _room(run: Path) -> Iterator[Check]:
    """Room for logs and states, and for the journal where that lies on another disk."""
    places = {"disk": run}
    with suppress(SettingsError):
        places["disk of the journal"] = load_settings(NotifierSettings).journal_dir
    for name, path in places.items():
        folder = next(each for each in (path.resolve(), *path.resolve().parents) if each.is_dir())
        free_gb = shutil.disk_usage(folder).free // 1024**3
        detail = f"{free_gb} GB free at {folder}"
        yield Check(name, free_gb >= ROOM_GB, detail, f"Free at least {ROOM_GB} GB.")


def _left_over(run: Path) -> Check:
    """Whether something runs in the run folder that nothing there starts again or stops."""
    try:
        stack = Stack.attach(run)
    except UsageFault as fault:
        return Check("run folder", False, fault.what, fault.mend)
    left = () if stack is None or MANAGER in stack.alive else stack.alive
    words = (
        f"left over in {run}, without {MANAGER}: {', '.join(left)}" if left else "nothing is left over in it"
    )
    return Check("run folder", not left, words, f"End it with `arb down --run {run}`.")


def _system(link: Link) -> Check:
    """Whether services of this folder's settings may start over this Redis."""
    found = system_of(link)
    try:
        own = load_settings(RuntimeSettings).system
    except SettingsError as error:
        return Check("redis system", False, str(error), "Mend what it names.")
    words = "claimed by no system yet" if found is None else found.shown()
    mend = f"This folder's settings name {own}: name another Redis, or see `arb system adopt -h`."
    return Check("redis system", found is None or found.name == own, words, mend)


def _redis(url: str) -> Iterator[Check]:
    try:
        link = open_link(url)
    except Fault as fault:
        yield Check("redis", False, fault.what, fault.mend)
        return
    try:
        yield _version(link)
        yield _writes(link)
        yield _system(link)
        yield from _durability(link)
    except redis.exceptions.NoPermissionError as error:
        detail = f"this user may not ask everything: {redacted(str(error))}"
        yield Check("redis user", False, detail, "Give it that command.")
    yield from _clock(link)
    yield _lengths(link)
    link.close()


def _version(link: Link) -> Check:
    info: Any = link.client.info("server")
    text = str(info["redis_version"])
    return Check("redis", version_of(text) >= OLDEST, f"{text} at {link.address}", "Use Redis 7 or newer.")


def _writes(link: Link) -> Check:
    refusal = refusal_of_writes(link.client)
    return Check("redis writes", not refusal, refusal or "it takes them",
                 "Mend that at Redis: until then nothing trades and nothing is told.")  # fmt: skip


def _durability(link: Link) -> Iterator[Check]:
    wanted = {
        "maxmemory-policy": ("noeviction",),
        "appendonly": ("yes",),
        "appendfsync": ("everysec", "always"),
    }
    info: Any = link.client.info()
    told = {
        "maxmemory-policy": info.get("maxmemory_policy", ""),
        "appendonly": "yes" if info.get("aof_enabled") else "no",
    }
    try:
        found: Any = {name: link.client.config_get(name).get(name, "") for name in wanted}
    except redis.exceptions.ResponseError:
        found = told
    for name, values in wanted.items():
        now = str(found.get(name, ""))
        if not now:
            detail = "CONFIG is not allowed here, so it is not known"
            yield Check(f"redis {name}", True, detail, f"See to {values[0]} at whoever runs it.", warns=True)
            continue
        yield Check(f"redis {name}", now in values, now, f"Set {name} {values[0]} in redis.conf.")
    written = str(info.get("aof_last_write_status", "ok"))
    yield Check("redis file", written == "ok", f"the last write of its file: {written}",
                "Make room on its disk, or give it access.")  # fmt: skip


def _clock(link: Link) -> Iterator[Check]:
    trips = []
    apart_ms = 0
    for _ in range(5):
        before = time.monotonic_ns()
        redis_ns = link.bus.time_ns()
        trips.append((time.monotonic_ns() - before) / NS_PER_MS)
        apart_ms = abs(time.time_ns() - redis_ns) // NS_PER_MS
    yield Check("redis round trip", min(trips) < POOR_ROUND_TRIP_MS, f"{min(trips):.2f} ms",
                "Bring Redis nearer: ages are measured against its clock.")  # fmt: skip
    yield Check("clock", apart_ms < CLOCK_APART_MS, f"{apart_ms} ms from Redis, which has "
                f"{dt.datetime.fromtimestamp(link.bus.time_ns() // NS_PER_S, KST):%Y-%m-%d %H:%M:%S} KST",
                "Switch time synchronisation on, on both machines.")  # fmt: skip


def _lengths(link: Link) -> Check:
    keys = [stream.key for stream in TABLE if stream.kept is None and "<name>" not in stream.key]
    longest = max(((link.bus.length(key), key) for key in keys), default=(0, ""))
    return Check("stream lengths", longest[0] < LOSSLESS_ALARM, f"longest is {longest[1]} with {longest[0]}",
                 "Start the reader that has stopped; `arb status` shows who is silent.")  # fmt: skip
