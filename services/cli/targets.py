"""The file that tells a Prometheus on this machine where each process of a stack is scraped.

`file_sd_configs` of a scrape job names it; the labels are those that dashboards and rules go by.
"""

import json
from pathlib import Path
from typing import Any, Final

from services.cli.fleet import FleetPlan, metrics_ports, programs

TARGETS_FILE: Final = "prometheus-targets.json"
HOST: Final = "127.0.0.1"


def targets(plan: FleetPlan) -> list[dict[str, Any]]:
    """Return one target for each program of a plan that exports metrics; none where no port was given."""
    ports = metrics_ports(plan)
    running = [program.name for program in programs(plan) if program.name in ports]
    return [
        {"targets": [f"{HOST}:{ports[name]}"], "labels": {"instance": name, **_labels(name)}}
        for name in running
    ]


def _labels(name: str) -> dict[str, str]:
    """A detector is named after its group, every other service after itself."""
    service, _, group = name.partition("-")
    return {"service": service, "group": group} if group else {"service": service}


def write_targets(plan: FleetPlan) -> Path | None:
    """Write the targets into the run folder in one step; returns where, None where nothing is exported."""
    found = targets(plan)
    if not found:
        return None
    path = plan.folder / TARGETS_FILE
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path
