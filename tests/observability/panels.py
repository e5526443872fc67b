"""The committed dashboards as tests look at them."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from deploy.dashboards.__main__ import FOLDER

BOARDS: Final = tuple(sorted(path.name for path in FOLDER.glob("*.json")))


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard's file, with its queries."""

    id: str
    body: dict[str, Any]

    @property
    def targets(self) -> list[str]:
        return [target["expr"] for target in self.body.get("targets", [])]

    @property
    def is_instant(self) -> bool:
        return all(target.get("instant") for target in self.body["targets"])


@cache
def board(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return read


def panels_of(name: str) -> list[Panel]:
    """Return the panels of a dashboard, rows left out."""
    return [
        Panel(f"{name.removesuffix('.json')}: {body['title']}", body)
        for body in board(name)["panels"]
        if body["type"] != "row"
    ]


def annotations_of(name: str) -> list[dict[str, Any]]:
    return [mark for mark in board(name)["annotations"]["list"] if mark.get("expr")]


def expressions(name: str) -> list[str]:
    return [text for panel in panels_of(name) for text in panel.targets]
