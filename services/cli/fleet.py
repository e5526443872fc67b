"""Which programs make the system on one machine, in the order they start."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.cli.stack import Program
from services.contracts.system import SystemMode
from services.contracts.terms import GatewayMode
from services.market.files import load_symbol_map
from services.runtime.settings import RuntimeSettings, load_settings
from services.runtime.sockets import socket_path

WORKER: Final = "notifier-worker"
SIMULATOR: Final = "simulator"
GATEWAY: Final = "gateway"


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What to run: where the configuration lies, which day, and against what.

    `day_plan` is None in real time. `simulator_seed` None starts no simulator and no gateway: the
    gateway then runs on the broker's machine.
    """

    folder: Path
    config_dir: Path
    groups: tuple[str, ...]
    mode: GatewayMode = GatewayMode.SIMULATED
    day_plan: Path | None = None
    simulator_seed: int | None = 1
    simulator_options: Path | None = None
    gateway_folder: str = GATEWAY
    """Where in `folder` the gateway keeps its log of intentions."""
    metrics_port: int = 0
    """The first of the Prometheus ports, one for each process; 0 serves none."""


def programs(plan: FleetPlan) -> tuple[Program, ...]:
    """Return the programs of a plan; they are stopped in the opposite order."""
    shared = {"ARB_CONFIG_DIR": str(plan.config_dir), "QT_QPA_PLATFORM": "offscreen"}
    if plan.day_plan is not None:
        shared["ARB_RUNTIME_DAY_PLAN"] = str(plan.day_plan)
    if plan.simulator_seed is not None:
        shared["ARB_RUNTIME_SYSTEM_MODE"] = SystemMode.SIMULATED.value
    world = [] if plan.simulator_seed is None else [_simulator(plan), _gateway(plan, shared)]
    everything = (
        *world,
        _service("risk", shared),
        _service("executor", shared),
        _service("notifier", shared),
        _python(WORKER, ("services.notifier.worker",), shared),
        *(_detector(group, shared) for group in plan.groups),
    )
    ports = metrics_ports(plan)
    return tuple(_serving(program, ports) for program in everything)


def metrics_ports(plan: FleetPlan) -> dict[str, int]:
    """Return the Prometheus port of each process, in a fixed order; empty where none is served."""
    if not plan.metrics_port:
        return {}
    detectors = (f"detector-{group}" for group in plan.groups)
    order = (GATEWAY, "risk", "executor", "notifier", SIMULATOR, *detectors)
    return {name: plan.metrics_port + place for place, name in enumerate(order)}


def heartbeats_of(plan: FleetPlan) -> tuple[str, ...]:
    """Return the names of the services that a plan's programs beat under."""
    silent = {SIMULATOR, WORKER}
    return tuple(program.name for program in programs(plan) if program.name not in silent)


def simulator_address(folder: Path) -> str:
    """Return where the simulator of a run folder listens."""
    return f"unix:{socket_path(folder, 'simulator.sock')}"


def groups_of(config_dir: Path) -> tuple[str, ...]:
    """Return the symbol groups that have an enabled symbol, one detector each.

    Raises:
        ConfigError: the symbol map cannot be used; lists every problem.
        SettingsError: runtime.toml, which names the groups, cannot be used.
    """
    named = load_settings(RuntimeSettings).groups
    entries = load_symbol_map(config_dir, named)
    return tuple(group for group in named if any(e.enabled and e.group == group for e in entries))


def _serving(program: Program, ports: Mapping[str, int]) -> Program:
    if program.name not in ports or program.name == SIMULATOR:
        return program
    return replace(program, env={**program.env, "ARB_RUNTIME_METRICS_PORT": str(ports[program.name])})


def _detector(group: str, shared: Mapping[str, str]) -> Program:
    return _service("detector", {**shared, "ARB_DETECTOR_GROUP": group}, f"detector-{group}")


def _service(module: str, env: Mapping[str, str], name: str = "") -> Program:
    return _python(name or module, (f"services.{module}",), env)


def _python(name: str, module_and_args: Sequence[str], env: Mapping[str, str]) -> Program:
    return Program(name, (sys.executable, "-m", *module_and_args), env)


def _simulator(plan: FleetPlan) -> Program:
    args = ["--listen", simulator_address(plan.folder), "--config-dir", str(plan.config_dir)]
    args += ["--seed", str(plan.simulator_seed)]
    if plan.day_plan is not None:
        args += ["--day-plan", str(plan.day_plan)]
    if plan.simulator_options is not None:
        args += ["--options", str(plan.simulator_options)]
    if plan.metrics_port:
        args += ["--metrics-port", str(metrics_ports(plan)[SIMULATOR])]
    return _python(SIMULATOR, ("services.simulator", *args), {})


def _gateway(plan: FleetPlan, shared: Mapping[str, str]) -> Program:
    env = {
        **shared,
        "ARB_SIMULATOR": simulator_address(plan.folder),
        "ARB_GATEWAY_MODE": plan.mode.value,
        "ARB_GATEWAY_RECONNECT": "in_process",
        # Simulated orders must never stand in the log of intentions of a real gateway.
        "ARB_GATEWAY_STATE_DIR": str(plan.folder / plan.gateway_folder),
        "ARB_GATEWAY_HALT_FILE": str(plan.folder / "HALT"),
    }
    return _python(GATEWAY, ("services.simulator.host", "services.gateway"), env)
