"""`arb journal verify`: an intact record, and the first line of one that somebody has touched."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.contracts.streams import ORDERS
from services.market.market_clock import REAL_TIME
from services.notifier.journal_writer import Batch, JournalWriter

DAY_MS = 1_795_390_200_000


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "run" / "journal"
    writer = JournalWriter(root, {}, REAL_TIME.trading_date_at, 1_000_000)
    writer.append(Batch(ORDERS.key, [(f"{DAY_MS + n}-0", b'{"n":%d}' % n) for n in range(3)]))
    writer.close()
    return root


def test_the_journal_of_the_stack_is_found_and_intact(journal: Path) -> None:
    result = arb("journal", "verify", "--json")
    assert result.exit_code == 0
    (row,) = json.loads(result.output)["streams"]
    assert (row["stream"], row["lines"], row["broken"]) == ("orders", 3, None)
    assert row["head"] in arb("journal", "verify").output


def test_a_changed_line_is_named_and_fails(journal: Path) -> None:
    (path,) = journal.rglob("orders.jsonl")
    path.write_bytes(path.read_bytes().replace(b'{"n":1}', b'{"n":7}'))
    result = arb("journal", "verify", str(journal))
    assert result.exit_code == 1
    assert "orders.jsonl, line 2" in result.output.replace("\n", "")
    answer = json.loads(arb("journal", "verify", str(journal), "--json").output)
    assert answer["intact"] is False and answer["streams"][0]["broken"]["line"] == 2


def test_where_there_is_no_journal_it_says_so(tmp_path: Path) -> None:
    result = arb("journal", "verify", str(tmp_path))
    assert result.exit_code == 2 and str(tmp_path) in result.stderr.replace("\n", "")
