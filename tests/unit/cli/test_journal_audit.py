"""`arb journal audit`: an explained date, one that is not, and one that is not there."""

import json
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.contracts.messages.commands import PlaceOrder
from tests.unit.lab.test_journal_audit import whole_day, written


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


def test_a_date_whose_orders_are_explained_passes_and_names_its_build(tmp_path: Path) -> None:
    root = written(tmp_path, whole_day())
    result = arb("journal", "audit", str(root))
    assert result.exit_code == 0 and "2 orders of ours" in result.output and "0a1b2c3d4e5f" in result.output
    answer = json.loads(arb("journal", "audit", str(root), "--date", "2026-11-23", "--json").output)
    assert answer["explained"] is True and len(answer["orders"]) == 2 and answer["findings"] == []


def test_an_order_that_nobody_commanded_is_named_and_fails(tmp_path: Path) -> None:
    root = written(tmp_path, [line for line in whole_day() if not isinstance(line[2], PlaceOrder)])
    result = arb("journal", "audit", str(root))
    assert result.exit_code == 1 and "nobody commanded it" in result.output
    answer = json.loads(arb("journal", "audit", str(root), "--json").output)
    assert answer["explained"] is False
    assert {finding["about"] for finding in answer["findings"]} == {
        row["order_id"] for row in answer["orders"]
    }


def test_a_date_that_is_not_in_the_journal_is_refused_with_those_that_are(tmp_path: Path) -> None:
    root = written(tmp_path, whole_day())
    result = arb("journal", "audit", str(root), "--date", "2026-11-20")
    assert result.exit_code == 2 and "2026-11-23" in result.stderr
    assert arb("journal", "audit", str(tmp_path / "none")).exit_code == 2
