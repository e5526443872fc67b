"""The few kinds of panel that the dashboards are made of, with the same look and the same units everywhere.

Every panel has a title, a sentence that says what it shows and when to act, and a unit.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    TableSortByFieldState,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from services.contracts.metric import Unit

SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="prometheus")
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#6e7079"

GRAFANA_UNITS: Final[Mapping[Unit, str]] = {
    Unit.SECONDS: "s", Unit.KRW: "currencyKRW", Unit.SHARES: "suffix: sh", Unit.BPS: "suffix: bp",
    Unit.KRW_SECONDS: "suffix: won s", Unit.RATIO: "none", Unit.BYTES: "bytes", Unit.COUNT: "short",
    Unit.FLAG: "short", Unit.INFO: "none",
}  # fmt: skip
PERCENT: Final = "percentunit"
PER_SECOND: Final = "suffix:/s"
SECONDS, KRW, COUNT, BPS = (GRAFANA_UNITS[u] for u in (Unit.SECONDS, Unit.KRW, Unit.COUNT, Unit.BPS))

TablePanel = table.Panel
Steps = Iterable[tuple[float | None, str]]
Words = Mapping[int, tuple[str, str]]
"""A value, the word for it, and its colour."""


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Return colours by value: the first step has None and holds below all others."""
    return ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(
        [dashboard.Threshold(value=value, color=color) for value, color in steps]
    )  # fmt: skip


def words_of(values: Iterable[StrEnum], colors: Mapping[str, str], none: str = "SILENT") -> Words:
    """Return the words for `promql.code_of`: 0 is nobody to ask, in red."""
    named = {
        place: (str(value).replace("_", " ").upper(), colors.get(value, GREY))
        for place, value in enumerate(values, 1)
    }
    return {0: (none, RED), **named}


def stat_panel(
    title: str,
    says: str,
    expr: str,
    unit: str,
    steps: Steps,
    *,
    legend: str = "",
    decimals: int | None = None,
) -> stat.Panel:
    """Return one big number, coloured by its value."""
    panel = _stat(title, says, expr, legend).unit(unit).thresholds(thresholds(steps))
    return panel if decimals is None else panel.decimals(decimals)


def word_panel(title: str, says: str, expr: str, words: Words, *, legend: str = "") -> stat.Panel:
    """Return one big word, coloured: what a number means, said."""
    return (
        _stat(title, says, expr, legend).unit(COUNT).mappings(_mappings(words))
        .thresholds(thresholds([(None, GREY)]))
    )  # fmt: skip


def line_panel(
    title: str, says: str, queries: Mapping[str, str], unit: str, *, steps: Steps = (), stacked: bool = False,
    zero: bool = True, calcs: tuple[str, ...] = ("lastNotNull", "max"),
) -> timeseries.Panel:  # fmt: skip
    """Return lines over time; the keys of `queries` are their legends."""
    panel = (
        timeseries.Panel().title(title).description(says).datasource(SOURCE).unit(unit)
        .line_width(1).fill_opacity(30 if stacked else 6).show_points(common.VisibilityMode.NEVER)
        .span_nulls(False)
        .legend(
            VizLegendOptions().display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM).show_legend(True).calcs(list(calcs))
        )
        .tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )  # fmt: skip
    if zero:
        panel.axis_soft_min(0)
    if stacked:
        panel.stacking(StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if steps:
        panel.thresholds(thresholds(steps))
        panel.thresholds_style(GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    for ref, (legend, expr) in zip("ABCDEFGHIJ", queries.items(), strict=False):
        panel.with_target(_query(expr, legend).ref_id(ref).range())
    return panel


def bar_panel(title: str, says: str, expr: str, unit: str, *, legend: str) -> bargauge.Panel:
    """Return one bar for each series, as they stand now: counts by reason."""
    return (
        bargauge.Panel().title(title).description(says).datasource(SOURCE).unit(unit).decimals(0).min(0)
        .orientation(common.VizOrientation.HORIZONTAL).display_mode(common.BarGaugeDisplayMode.BASIC)
        .thresholds(thresholds([(None, BLUE)]))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expr, legend).instant())
    )  # fmt: skip


def timeline_panel(title: str, says: str, expr: str, words: Words, *, legend: str) -> statetimeline.Panel:
    """Return what held when: one row for each series, its colour the word of the value."""
    return (
        statetimeline.Panel().title(title).description(says).datasource(SOURCE)
        .mappings(_mappings(words)).thresholds(thresholds([(None, GREY)]))
        .show_value(common.VisibilityMode.AUTO).merge_values(True).row_height(0.8).fill_opacity(75)
        .legend(
            VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM).show_legend(False).calcs([])
        )
        .with_target(_query(expr, legend).range())
    )  # fmt: skip


def heat_panel(title: str, says: str, expr: str, unit: str) -> heatmap.Panel:
    """Return a histogram over time."""
    return (
        heatmap.Panel().title(title).description(says).datasource(SOURCE).unit(unit).calculate(False)
        .with_target(_query(expr, "{{le}}").format(PromQueryFormat.HEATMAP).range())
    )  # fmt: skip


class Column:
    """One column of a table: a query, and how its value is shown."""

    def __init__(
        self, name: str, expr: str, unit: str, *, steps: Steps = (), words: Words | None = None,
        decimals: int | None = None,
    ) -> None:  # fmt: skip
        self.name, self.expr = name, expr
        self.properties: list[dashboard.DynamicConfigValue] = [_set("unit", unit)]
        if decimals is not None:
            self.properties.append(_set("decimals", decimals))
        if words:
            self.properties.append(_set("mappings", _mappings(words)))
        if steps:
            self.properties.append(_set("thresholds", thresholds(steps).build()))
        if steps or words:
            self.properties.append(_set("custom.cellOptions", {"type": "color-text"}))


def table_panel(
    title: str, says: str, key: str, columns: Iterable[Column], *, links: Mapping[str, str], sort_by: str,
    descending: bool = True,
) -> table.Panel:  # fmt: skip
    """Return one row for each value of the label `key`, its cells the columns' queries.

    `links` names where a click on the key leads: title and address.
    """
    columns = tuple(columns)
    panel = (
        table.Panel().title(title).description(says).datasource(SOURCE).filterable(True)
        .cell_height(common.TableCellHeight.SM)
        .sort_by([TableSortByFieldState().display_name(sort_by).desc(descending)])
    )  # fmt: skip
    names = {}
    for ref, column in zip("ABCDEFGHIJKLMNOP", columns, strict=False):
        panel.with_target(_query(column.expr, "").ref_id(ref).instant().format(PromQueryFormat.TABLE))
        panel.override_by_name(column.name, column.properties)
        names[f"Value #{ref}" if len(columns) > 1 else "Value"] = column.name
    joined = dashboard.DataTransformerConfig(id_val="joinByField", options={"byField": key, "mode": "outer"})
    times = {"Time": True, **{f"Time {place}": True for place in range(1, len(columns) + 1)}}
    order = {key: 0, **{name: place for place, name in enumerate(names, 1)}}
    shown = dashboard.DataTransformerConfig(
        id_val="organize", options={"excludeByName": times, "renameByName": names, "indexByName": order}
    )
    panel.with_transformation(joined).with_transformation(shown)
    if links:
        panel.override_by_name(key, [_set("links", [_link(*item) for item in links.items()])])
    return panel


def _stat(title: str, says: str, expr: str, legend: str) -> stat.Panel:
    return (
        stat.Panel().title(title).description(says).datasource(SOURCE).no_value("SILENT")
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID).graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if legend else common.BigValueTextMode.VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER).orientation(common.VizOrientation.AUTO)
        .color_scheme(FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expr, legend).instant())
    )  # fmt: skip


def _query(expr: str, legend: str) -> Dataquery:
    return Dataquery().expr(expr).legend_format(legend or "__auto").datasource(SOURCE).ref_id("A")


def _mappings(words: Words) -> list[dashboard.ValueMapping]:
    options = {
        str(value): dashboard.ValueMappingResult(text=text, color=color, index=place)
        for place, (value, (text, color)) in enumerate(sorted(words.items()))
    }
    return [dashboard.ValueMap(options=options)]


def _set(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def _link(title: str, address: str) -> dict[str, object]:
    return {"title": title, "url": address, "targetBlank": False}
