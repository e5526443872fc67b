"""Whether the files of one desk agree with each other, and whether the folders that they name can be written.

Each file is read by itself elsewhere. What is wrong here is in two of them, or on the disk.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from services.cli.preflight import Check
from services.contracts.terms import GatewayMode
from services.executor.settings import ExecutorSettings
from services.gateway.settings import GatewaySettings
from services.gateway.supervisor.settings import SupervisorSettings
from services.market.errors import ConfigError
from services.market.files import LISTING_FILE, SYMBOL_MAP_FILE, load_listing, load_symbol_map, read_day_plan
from services.notifier.settings import NotifierSettings
from services.notifier.webhooks import webhook_addresses
from services.risk.settings import RiskSettings
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings

NEEDED: Final = ("gateway", "executor")
"""Without these heartbeats nothing that is bought could be sold."""
SHOWN: Final = 5
Agreement = Callable[[Path], Iterator[Check]]


def agreements(config_dir: Path) -> Iterator[Check]:
    """Yield a check for each pair of files. A file that cannot be read by itself is named elsewhere."""
    for agreement in (_gateway_names, _day_plan, _required, _webhooks, _listing):
        try:
            yield from agreement(config_dir)
        except (ConfigError, SettingsError):
            continue


def folders() -> Iterator[Check]:
    """Yield a check for each folder that a service writes into: whether this user could."""
    try:
        runtime, gateway = load_settings(RuntimeSettings), load_settings(GatewaySettings)
        notifier, supervisor = load_settings(NotifierSettings), load_settings(SupervisorSettings)
    except SettingsError:
        return
    places = {
        "state_dir of gateway.toml": gateway.state_dir,
        "journal_dir of notifier.toml": notifier.journal_dir,
        "log_dir of supervisor.toml": supervisor.log_dir,
    }
    if runtime.log_file:
        places["log_file of runtime.toml"] = Path(runtime.log_file).parent
    for name, folder in places.items():
        problem = unwritable(folder)
        yield Check(name, not problem, problem or f"{folder} can be written", f"Name another one in {name}.")


def unwritable(folder: Path) -> str:
    """Return why this user could not write into a folder, made where it is not there; empty if it could."""
    nearest = next(each for each in (folder.resolve(), *folder.resolve().parents) if each.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK) and not _is_of_the_system(nearest):
        return ""
    return f"{nearest} is no folder that this user may write"


def _is_of_the_system(folder: Path) -> bool:
    """Whether a folder takes no files of anybody, whatever its rights say."""
    return folder.parts[1:2] in (("proc",), ("sys",))


def _gateway_names(config_dir: Path) -> Iterator[Check]:
    ours, theirs = load_settings(GatewaySettings).name, load_settings(ExecutorSettings).gateway
    detail = ours if ours == theirs else f"gateway.toml says {ours!r}, executor.toml {theirs!r}"
    yield Check("gateway name", ours == theirs, detail, "Write the same: orders go to a stream of that name.")


def _day_plan(config_dir: Path) -> Iterator[Check]:
    path, mode = load_settings(RuntimeSettings).day_plan, load_settings(GatewaySettings).mode
    if not path:
        return
    if mode is not GatewayMode.SIMULATED:
        detail = f"{path} is the plan of a simulated day, and the gateway's mode is {mode}"
        yield Check("day plan", False, detail, "Empty day_plan of runtime.toml.")
        return
    try:
        read_day_plan(Path(path))
    except ConfigError as error:
        yield Check("day plan", False, str(error), "Empty day_plan of runtime.toml, or give it a plan.")


def _required(config_dir: Path) -> Iterator[Check]:
    named, groups = load_settings(RiskSettings).required_services, load_settings(RuntimeSettings).groups
    missing = [service for service in NEEDED if service not in named]
    detectors = [name.removeprefix("detector-") for name in named if name.startswith("detector-")]
    strange = [group for group in detectors if group not in groups]
    problem = f"{', '.join(missing)} is missing" if missing else ""
    problem = problem or (f"runtime.toml has no group {', '.join(strange)}" if strange else "")
    mend = "Mend required_services of risk.toml: nothing new is bought without them."
    yield Check("required services", not problem, problem or ", ".join(named), mend)


def _webhooks(config_dir: Path) -> Iterator[Check]:
    try:
        found = webhook_addresses(load_settings(NotifierSettings))
    except SettingsError as error:
        yield Check("webhooks", False, str(error), "See docs/slack.md; the notifier does not start so.")
        return
    yield Check("webhooks", True, ", ".join(name or "the only one" for name in found) or "none: the terminal")


def _listing(config_dir: Path) -> Iterator[Check]:
    """Hold codes and markets of the map against the listing: a mistyped code is another share, or none."""
    listed = {share.code: share.market for share in load_listing(config_dir)}
    problems = [
        f"{entry.krx_code} is not in {LISTING_FILE}"
        if entry.krx_code not in listed
        else f"{entry.krx_code} is {entry.market} here and {listed[entry.krx_code]} in {LISTING_FILE}"
        for entry in load_symbol_map(config_dir, load_settings(RuntimeSettings).groups)
        if listed.get(entry.krx_code) is not entry.market
    ]
    more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    detail = "; ".join(problems[:SHOWN]) + more
    mend = f"Correct the row of {SYMBOL_MAP_FILE}, or of {LISTING_FILE} where that is wrong."
    yield Check("symbols listed", not problems, detail or "each with its market", mend)
