"""What all dashboards share: variables, annotations, links to one another, time zone, refresh."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from deploy.dashboards.panels import BLUE, ORANGE, RED, SOURCE
from deploy.dashboards.promql import of
from services.contracts.measures import detector, every, gateway, risk
from services.contracts.metric import Metric

TAG: Final = "krx-nxt-arb"
TIMEZONE: Final = "Asia/Seoul"
PANEL_COLUMNS: Final = 24
Panel = Builder[dashboard.Panel]
"""Any panel of the SDK; each says its own width and height."""


@dataclass(frozen=True)
class Section:
    """A row of a dashboard with the panels below it; `height` in grid units, `widths` one for each panel."""

    title: str
    height: int
    panels: Sequence[tuple[int, Panel]]


@dataclass(frozen=True)
class Variable:
    """One choice at the top: the values that the label takes on a metric, narrowed by other variables."""

    name: str
    label: str
    metric: Metric
    says: str
    narrowed_by: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        selector = of(self.metric, **{name: f"${name}" for name in self.narrowed_by})
        return f"label_values({selector}, {self.name})"


GROUP: Final = Variable("group", "Group", detector.SYMBOLS, "Symbol group: one detector each.")
SYMBOL: Final = Variable("symbol", "Symbol", detector.NET_EDGE, "Six-character code.", ("group",))
VENUE: Final = Variable("venue", "Venue", gateway.PHASE, "KRX or NXT.")
SERVICE: Final = Variable("service", "Service", every.UPTIME, "Which program.")
INSTANCE: Final = Variable("instance", "Process", every.UPTIME, "One process of it.", ("service",))


@dataclass(frozen=True)
class Note:
    """An annotation: a mark or a span on every graph of a dashboard."""

    name: str
    expr: str
    title: str
    color: str
    at_value: bool = False
    """The value is the time of the mark, in milliseconds."""


NOTES: Final = (
    Note("Halts", f"{of(risk.STATE, state='halted')} == 1", "Trading is halted", RED),
    Note("Latches", f"{of(risk.LATCH)} == 1", "Latched: {{latch}}", ORANGE),
    Note("Restarts", f"{of(every.START_TIME)} * 1000", "{{service}} {{group}} started", BLUE, at_value=True),
    Note(
        "Sessions",
        f"({of(gateway.PHASE)} == 1) unless ({of(gateway.PHASE)} offset 30s == 1)",
        "{{venue}}: {{phase}}",
        "purple",
    ),
)


def board(
    uid: str, title: str, says: str, variables: Iterable[Variable], sections: Iterable[Section],
    *, since: str = "now-1h",
) -> dashboard.Dashboard:  # fmt: skip
    """Return a dashboard: what it is called and is for, its choices, its rows.

    Raises:
        ValueError: the panels of a section do not fill their rows.
    """
    made = (
        Dashboard(title).uid(uid).description(says).tags([TAG]).timezone(TIMEZONE).refresh("5s")
        .time(since, "now").tooltip(dashboard.DashboardCursorSync.CROSSHAIR).readonly()
        .link(
            DashboardLink("Dashboards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
            .as_dropdown(False).include_vars(True).keep_time(True)
        )
    )  # fmt: skip
    for variable in variables:
        made.with_variable(_variable(variable))
    for note in NOTES:
        made.annotation(_annotation(note))
    y, ids = 0, count(1)
    for section in sections:
        made.with_row(Row(section.title).id(next(ids)).grid_pos(_at(0, y, PANEL_COLUMNS, 1)))
        y = _place(made, section, y + 1, ids)
    return _with_links_in_sight(made.build())


def _with_links_in_sight(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Show the links to the other dashboards at the top: the SDK would always put them into a menu."""
    for link in made.links or ():
        setattr(link, "placement", None)  # noqa: B010 - the SDK's type knows only the menu
    return made


def _place(made: Dashboard, section: Section, y: int, ids: Iterator[int]) -> int:
    """Put a section's panels into rows below `y`; returns where the next row begins."""
    x = 0
    for width, panel in section.panels:
        if x + width > PANEL_COLUMNS:
            raise ValueError(
                f"{section.title}: a panel of {width} does not fit beside {x} of {PANEL_COLUMNS}"
            )
        placed = panel.build()
        placed.id_val = next(ids)
        placed.grid_pos = _at(x, y, width, section.height)
        made.with_panel(_Built(placed))
        x = (x + width) % PANEL_COLUMNS
        y += section.height if x == 0 else 0
    if x:
        raise ValueError(f"{section.title}: the last row has {PANEL_COLUMNS - x} columns left over")
    return y


class _Built(Builder[dashboard.Panel]):
    """A panel that is built already, as the SDK's dashboards take them."""

    def __init__(self, panel: dashboard.Panel) -> None:
        self._panel = panel

    def build(self) -> dashboard.Panel:
        return self._panel


def _at(x: int, y: int, w: int, h: int) -> dashboard.GridPos:
    return dashboard.GridPos(x=x, y=y, w=w, h=h)


def _variable(variable: Variable) -> QueryVariable:
    query = variable.query
    return (
        QueryVariable(variable.name).label(variable.label).description(variable.says).datasource(SOURCE)
        .query({"qryType": 1, "query": query, "refId": "variable"}).definition(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".*")
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )  # fmt: skip


def _annotation(note: Note) -> AnnotationQuery:
    made = (
        AnnotationQuery().name(note.name).datasource(SOURCE).enable(True).icon_color(note.color)
        .expr(note.expr).title_format(note.title).step("15s")
    )  # fmt: skip
    return made.use_value_for_time(True) if note.at_value else made
