"""The table of metrics: everything that any process exports, and which of them does.

Dashboards, alert rules and `docs/metrics.md` are made from here, and the runtime builds its
collectors from here, so that nothing is exported that is not declared. Labels that tell processes
apart (`job`, `instance`, `service`, `group`) come from the scrape's targets file, never from here.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import Final

from services.contracts.measures import detector, every, executor, gateway, notifier, risk, simulator
from services.contracts.metric import Metric

SERVICES: Final = ("gateway", "detector", "risk", "executor", "notifier")
EXPORTERS: Final = (*SERVICES, "simulator")
TICK_READERS: Final = ("detector", "risk", "executor")

_EXCEPTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    every.REFERENCE.name: ("gateway", "detector", "risk", "executor"),
    every.TICKS_SKIPPED.name: TICK_READERS,
    every.QUOTE_DELAY.name: TICK_READERS,
    every.BOOKS_REFUSED.name: TICK_READERS,
    every.ORDER_PATH.name: ("gateway", "detector", "risk", "executor"),
    **{
        metric.name: EXPORTERS
        for metric in (
            every.BUILD, every.START_TIME, every.UPTIME, every.PROCESS_CPU, every.PROCESS_MEMORY,
            every.PROCESS_THREADS, every.PROCESS_FILES, every.READINGS_FAILED,
        )
    },
})  # fmt: skip


def _rows(module: ModuleType, services: tuple[str, ...]) -> tuple[Metric, ...]:
    found = [item for item in vars(module).values() if isinstance(item, Metric)]
    return tuple(replace(item, services=_EXCEPTIONS.get(item.name, services)) for item in found)


TABLE: Final[tuple[Metric, ...]] = (
    *_rows(every, SERVICES),
    *_rows(gateway, ("gateway",)),
    *_rows(detector, ("detector",)),
    *_rows(risk, ("risk",)),
    *_rows(executor, ("executor",)),
    *_rows(notifier, ("notifier",)),
    *_rows(simulator, ("simulator",)),
)

BY_NAME: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in TABLE})


def metrics_of(service: str) -> tuple[Metric, ...]:
    """Return what a service exports, in the order of the table. Raises ValueError: no such service."""
    if service not in EXPORTERS:
        raise ValueError(f"{service!r} exports nothing; known are {', '.join(EXPORTERS)}")
    return tuple(metric for metric in TABLE if service in metric.services)


assert len(BY_NAME) == len(TABLE), "two metrics have one name"
