"""Commands against a real Redis and the real risk service: what is asked is answered, or silence is said."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.link import Link, open_link
from services.cli.requests import ask
from services.cli.snapshot import board_now
from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.messages.control import (
    AlertAcknowledged,
    FlattenRequested,
    HaltLiftRequested,
    ResidualClaimed,
    StopRequested,
    TradingStateRequested,
)
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import ReconciliationCompleted
from services.contracts.messages.status import OpenPairSeen
from services.contracts.streams import CONTROL, STATUS, STOPS, key_of
from services.contracts.terms import Severity, Side, TradingState
from services.market.market_clock import real_day
from services.risk.settings import RiskSettings
from services.risk.shell import risk_service
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import connect
from tests.unit.cli.builders import (
    DATE,
    SAMSUNG,
    alert,
    approved,
    closed,
    executor_status,
    filled,
    gateway_status,
    notifier_status,
    sent,
)
from tests.unit.cli.takers import Takers

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def link(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Link]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", redis_url)
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


@pytest.fixture
def risk(link: Link) -> Iterator[None]:
    """The real risk service, in a thread of its own."""
    stop = threading.Event()
    bus = connect(link.url)
    service = risk_service(RiskSettings(), CONFIG, real_day(DATE), ("g1", "g2"))
    loop: ServiceLoop[Any] = ServiceLoop(service, bus, RedisClock(bus.time_ns))
    thread = threading.Thread(target=loop.run, args=(stop,), daemon=True)
    thread.start()
    follower = link.follow([key_of(CONTROL)])
    for _ in range(200):
        if any(item.envelope.type == "ReferencePublished" for item in follower.read(50)):
            break
    else:
        pytest.fail("risk published no reference data")
    yield
    stop.set()
    thread.join(10)


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


def requests_on(link: Link) -> list[Any]:
    return [item.message for item in link.follow([key_of(STOPS), key_of(CONTROL)]).drain()]


@pytest.fixture
def desk(link: Link, risk: None) -> Iterator[None]:
    """Risk, and the cores of those who obey a stop with it."""
    with Takers(link.url, "gateway", "executor"):
        yield


def test_a_halt_is_done_when_everybody_has_it(link: Link, desk: None) -> None:
    result = arb("halt", "--reason", "drill", "--by", "kim", "--wait", "10")
    assert result.exit_code == 0, result.output
    assert "risk: trading is halted (by kim: drill)" in result.output
    assert "gateway main: halted" in result.output


def test_a_lifted_halt_names_the_file_that_still_stops(link: Link, desk: None) -> None:
    arb("halt", "--reason", "drill", "--by", "kim", "--wait", "10")
    link.append(gateway_status(halt_file="var/HALT.txt"), cause="c")
    result = arb("halt", "--lift", "--reason", "over", "--by", "kim", "--wait", "10")
    assert result.exit_code == 0, result.output
    assert "disarmed" in result.output and "var/HALT.txt still lies" in result.output


def test_a_halt_ends_by_its_lifting_alone(link: Link, desk: None) -> None:
    assert arb("halt", "--reason", "wrong prices", "--by", "alice", "--wait", "10").exit_code == 0
    for command in ("pause", "reduce"):
        refused = arb(command, "--reason", "sell", "--wait", "10")
        assert refused.exit_code == 1 and "arb halt --lift" in refused.output
    kept = arb("disarm", "--reason", "enough", "--wait", "10")
    assert kept.exit_code == 0 and "no change: the desk is halted (by alice: wrong prices)" in kept.output
    lifted = arb("halt", "--lift", "--reason", "right again", "--by", "bob", "--wait", "10")
    assert lifted.exit_code == 0 and "trading is disarmed (by bob: right again)" in lifted.output
    again = arb("halt", "--lift", "--reason", "right again", "--by", "bob", "--wait", "10")
    assert again.exit_code == 1 and "no halt holds" in again.output


@pytest.mark.parametrize("command", [("halt", "--lift"), ("pause",), ("reduce",)])
def test_a_person_is_shown_the_last_stop_before_more_is_allowed(
    link: Link, desk: None, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    stop = "halt" if "--lift" in command else "disarm"
    assert arb(stop, "--reason", "wrong prices", "--by", "alice", "--wait", "10").exit_code == 0
    before = requests_on(link)
    monkeypatch.setattr("services.cli.commands_trading.may_ask", lambda: True)
    asked = arb(*command, "--reason", "go on", "--by", "bob")
    assert asked.exit_code == 130 and "alice" in asked.output and "wrong prices" in asked.output
    assert requests_on(link) == before, "nobody said yes"
    assert arb(*command, "--yes", "--reason", "go on", "--by", "bob", "--wait", "10").exit_code == 0


def test_what_was_decided_on_an_earlier_look_is_refused_with_who_stopped(link: Link, desk: None) -> None:
    board, _ = board_now(link)
    assert arb("halt", "--reason", "wrong prices", "--by", "alice", "--wait", "10").exit_code == 0
    lift = HaltLiftRequested(by="bob", reason="go", stop_count=board.stop_count)
    outcome = ask(link, lift, 10)
    assert outcome.refused
    (line,) = outcome.lines()
    assert "alice halted at" in line and "wrong prices" in line and "arb status" in line


def test_a_board_shows_the_newest_stop_with_the_state_that_it_shows(link: Link, desk: None) -> None:
    arb("halt", "--reason", "wrong prices", "--by", "alice", "--wait", "10")
    board, _ = board_now(link)
    assert board.state is TradingState.HALTED and "alice halted at" in board.last_stop
    assert board.risk is None or board.risk.stop_count == board.stop_count


def test_silence_is_said_plainly_and_fails(link: Link) -> None:
    result = arb("halt", "--reason", "drill", "--by", "kim", "--wait", "0.2")
    assert result.exit_code == 1
    assert "gateway: no answer in 0.2 s" in result.output
    assert "obey a stop without it" in result.output
    assert requests_on(link) == [StopRequested(target=TradingState.HALTED, by="kim", reason="drill")]


def test_arming_is_refused_by_the_preflight_before_anything_is_asked(link: Link, risk: None) -> None:
    result = arb("arm", "--reason", "go", "--by", "kim")
    assert result.exit_code == 1
    assert "not ok" in result.output
    assert not any(isinstance(m, TradingStateRequested) for m in requests_on(link))


def test_a_limit_is_changed_and_shown(link: Link, risk: None) -> None:
    assert arb("limits", "set", "max_open_pairs", "1", "--reason", "first day", "--wait", "10").exit_code == 0
    shown = json.loads(arb("limits", "show", "--json").output)
    assert shown["threshold"]["default"]["basis"] == "simulated"
    assert "threshold default" in (printed := arb("limits", "show").output) and "(simulated)" in printed
    assert shown["max_open_pairs"] == 1


def test_a_looser_limit_waits_for_a_second_person(link: Link, risk: None) -> None:
    asked = arb("limits", "set", "max_open_pairs", "4", "--reason", "grow", "--by", "kim", "--wait", "10")
    assert asked.exit_code == 0 and "arb limits confirm" in asked.output
    before = json.loads(arb("limits", "show", "--json").output)
    proposal_id = asked.output.split("confirm ")[1].strip("`\n ")
    assert before["max_open_pairs"] == 2
    own = arb("limits", "confirm", proposal_id, "--reason", "me too", "--by", "kim", "--wait", "10")
    assert own.exit_code == 1 and "second person" in own.output
    agreed = arb("limits", "confirm", proposal_id, "--reason", "agreed", "--by", "lee", "--wait", "10")
    assert agreed.exit_code == 0, agreed.output
    assert json.loads(arb("limits", "show", "--json").output)["max_open_pairs"] == 4


def test_what_waits_for_a_second_person_is_shown(link: Link, risk: None) -> None:
    arb("limits", "set", "max_open_pairs", "4", "--reason", "grow", "--by", "kim", "--wait", "10")
    follower = link.follow([key_of(STATUS)])
    for _ in range(200):
        if any(getattr(item.message, "proposals", ()) for item in follower.read(50)):
            break
    (waiting,) = json.loads(arb("limits", "show", "--json").output)["proposals"]
    assert (waiting["name"], waiting["by"]) == ("max_open_pairs", "kim")
    assert "arb limits confirm" in arb("limits", "show").output


def test_a_limit_over_its_ceiling_is_refused_with_the_reason(link: Link, risk: None) -> None:
    result = arb("limits", "set", "max_open_pairs", "99", "--reason", "more", "--wait", "10", "--json")
    assert result.exit_code == 1
    outcome = json.loads(result.output)
    assert outcome["refused"]
    assert "4" in outcome["answers"][0]["problem"]


def test_a_threshold_table_that_does_not_wait_is_refused(link: Link, risk: None) -> None:
    result = arb("limits", "set", "threshold", "0badcafe", "--reason", "measured", "--wait", "10")
    assert result.exit_code == 1 and "no threshold table '0badcafe' waits" in result.output


def test_a_confirmation_of_nothing_names_no_limit(link: Link, risk: None) -> None:
    result = arb("limits", "confirm", "a1b2", "--reason", "yes", "--by", "bert")
    assert result.exit_code == 1
    assert result.output.startswith("it is refused") and "a1b2" in result.output


def test_a_misspelt_limit_never_reaches_the_stream(link: Link, risk: None) -> None:
    before = len(requests_on(link))
    result = arb("limits", "set", "max_open_pair", "1", "--reason", "x")
    assert result.exit_code == 2
    assert "max_open_pairs" in result.stderr
    assert len(requests_on(link)) == before


def test_a_symbol_is_paused_and_an_unknown_one_refused(link: Link, desk: None) -> None:
    assert arb("symbols", "pause", SAMSUNG, "--reason", "news", "--wait", "10").exit_code == 0
    result = arb("symbols", "pause", "00593", "--reason", "news")
    assert result.exit_code == 2
    assert SAMSUNG in result.stderr


def test_the_status_for_a_script_holds_the_state(link: Link, desk: None) -> None:
    arb("halt", "--reason", "drill", "--wait", "10")
    result = arb("status", "--json")
    assert result.exit_code == 1, "the others are silent"
    state = json.loads(result.stdout)
    assert state["services"]["risk"]["stale"] is False
    assert state["reference_hash"]


def test_the_status_for_a_script_names_what_the_books_differ_in(link: Link) -> None:
    compared = ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=("one share",))
    link.append(compared, cause="test")
    state = json.loads(arb("status", "--json").stdout)
    assert state["reconciled"]["differences"] == ["one share"]


def test_a_reason_is_needed_where_nobody_can_be_asked(link: Link) -> None:
    result = arb("disarm")
    assert result.exit_code == 2
    assert "--reason" in result.stderr
    assert requests_on(link) == []


def test_an_alert_that_is_not_open_cannot_be_acknowledged(link: Link) -> None:
    link.append(alert("NXT-silent"), cause="c")
    link.append(notifier_status(), cause="n")
    result = arb("ack", "NXT-silen")
    assert result.exit_code == 2
    assert "NXT-silent" in result.stderr


def test_all_open_alerts_are_acknowledged_at_once(link: Link) -> None:
    for name in ("NXT-silent", "residual-1"):
        link.append(alert(name), cause=name)
    result = arb("ack", "--all", "--by", "kim", "--wait", "0.1", "--json")
    assert result.exit_code == 1, "nobody runs here who could answer"
    asked = [message for message in requests_on(link) if isinstance(message, AlertAcknowledged)]
    assert [(message.alert_id, message.by) for message in asked] == [
        ("NXT-silent", "kim"),
        ("residual-1", "kim"),
    ]
    assert len(json.loads(result.output)) == 2


def test_all_leaves_out_what_is_told_for_information_only(link: Link) -> None:
    link.append(alert("closed-P1", severity=Severity.INFO), cause="a")
    link.append(alert("NXT-silent"), cause="b")
    told = arb("ack", "--all", "--wait", "0.1")
    asked = [message for message in requests_on(link) if isinstance(message, AlertAcknowledged)]
    assert [message.alert_id for message in asked] == ["NXT-silent"]
    assert "NXT-silent: unknown: notifier did not answer" in told.output


@pytest.mark.parametrize("arguments", [(), ("NXT-silent", "--all")])
def test_which_alert_or_all_must_be_said(link: Link, arguments: tuple[str, ...]) -> None:
    link.append(alert("NXT-silent"), cause="c")
    assert arb("ack", *arguments).exit_code == 2
    assert requests_on(link) == []


def test_a_residual_that_is_not_there_cannot_be_claimed(link: Link) -> None:
    link.append(executor_status(), cause="c")
    result = arb("residual", "resolve", "P1", "--amount", "1", "--reason", "sold by hand")
    assert result.exit_code == 2
    assert "P1 is no stranded position" in result.stderr


def test_a_flatten_of_an_unknown_symbol_never_reaches_the_stream(link: Link, risk: None) -> None:
    result = arb("flatten", "5930", "--reason", "typo")
    assert result.exit_code == 2
    assert SAMSUNG in result.stderr
    assert not [message for message in requests_on(link) if isinstance(message, FlattenRequested)]


def test_a_flatten_is_asked_where_nobody_knows_what_is_traded(link: Link) -> None:
    result = arb("flatten", SAMSUNG, "--reason", "no risk, no reference", "--wait", "0.1")
    assert result.exit_code == 1
    assert "executor did not answer" in result.output
    assert [m.symbol for m in requests_on(link) if isinstance(m, FlattenRequested)] == [SAMSUNG]


def test_a_flatten_names_what_is_to_be_sold(link: Link) -> None:
    row = OpenPairSeen(
        pair_id="P1", symbol=SAMSUNG, state="stranded", clip=1, uncovered_shares=3, uncovered_krw=210_000,
        age_ms=1,
    )  # fmt: skip
    link.append(executor_status(stranded=(row,)), cause="c")
    told = arb("flatten", "--reason", "out", "--wait", "0.1").output
    assert "P1" in told and "3 shares" in told


@pytest.mark.parametrize("uncovered", [3, 0, -3])
def test_a_claim_is_of_all_that_the_pair_holds_or_owes_where_no_number_is_given(
    link: Link, uncovered: int
) -> None:
    """None where it was not certain that it held any; one sold short is claimed by what buying back cost."""
    row = OpenPairSeen(
        pair_id="P1", symbol=SAMSUNG, state="stranded", clip=1, uncovered_shares=uncovered, uncovered_krw=0,
        age_ms=1,
    )  # fmt: skip
    link.append(executor_status(stranded=(row,)), cause="c")
    arb("residual", "resolve", "P1", "--amount", "5", "--reason", "settled", "--wait", "0.1")
    claims = [message for message in requests_on(link) if isinstance(message, ResidualClaimed)]
    assert [claim.qty_shares for claim in claims] == [abs(uncovered)]


def test_a_claim_that_the_executor_refuses_says_why(link: Link) -> None:
    stop = threading.Event()

    def refuse() -> None:
        follower = link.follow([key_of(CONTROL)])
        while not stop.is_set():
            for item in follower.read(20):
                if isinstance(item.message, ResidualClaimed):
                    facts = {
                        "pair": "P1",
                        "by": "kim",
                        "qty": 2,
                        "amount": 5,
                        "problem": "the pair holds 1 shares",
                    }
                    answer = raised(AlertCode.CLAIM_REFUSED, "claim-P1-2-5", Severity.WARNING, facts)
                    link.append(answer, cause=item.envelope.id, source="executor")

    executor = threading.Thread(target=refuse, daemon=True)
    executor.start()
    claim = ("residual", "resolve", "P1", "--shares", "2", "--amount", "5", "--reason", "sold by hand")
    result = arb(*claim, "--wait", "5")
    stop.set()
    executor.join(5)
    assert result.exit_code == 1
    assert "the pair holds 1 shares" in result.output and "did not answer" not in result.output


def test_a_halt_without_redis_leads_to_the_file() -> None:
    result = arb("halt", "--reason", "stop", "--redis", "redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "file HALT" in result.output and "127.0.0.1:1" in result.output


def test_a_refused_arming_has_the_shape_of_every_answer(link: Link, risk: None) -> None:
    answer = json.loads(arb("arm", "--reason", "go", "--json").output)
    assert (answer["done"], answer["refused"]) == (False, True)
    assert any(not check["ok"] for check in answer["checks"])


def test_a_pair_is_told_from_its_verdict_to_its_end(link: Link) -> None:
    others = (approved("P2"), closed("P2"))
    for number, message in enumerate((approved("P1"), sent(), filled(Side.BUY), *others, closed("P1"))):
        link.append(message, cause=f"c{number}")
    told = [line["type"] for line in json.loads(arb("explain", "P1", "--json").output)]
    assert told == ["PairApproved", "OrderSent", "OrderFilled", "PairClosed"]
    assert "+140 KRW" in arb("explain", "P1").output
    assert arb("explain", "P9").exit_code == 2


def test_buried_entries_are_listed_and_shown(link: Link) -> None:
    link.append(notifier_status(), cause="n")
    assert "Nothing was buried" in arb("dead", "list").output
    buried = EntryBuried(
        stream_key="{arb}:orders", entry_id="1-0", service="risk", reason="unknown type 'X'", tries=1,
        text='{"type": "X"}',
    )  # fmt: skip
    link.append(buried, cause="c")
    (row,) = json.loads(arb("dead", "list", "--json").output)
    assert row["reason"] == "unknown type 'X'"
    assert '{"type": "X"}' in arb("dead", "show", row["id"]).output
    assert arb("dead", "show", "9-9").exit_code == 2


def test_a_redis_that_does_not_answer_is_said_in_words() -> None:
    result = arb("status", "--redis", "redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "arb up" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_pilot_list_becomes_the_symbol_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_CONFIG_DIR", str(tmp_path))
    for name in ("Pilot_stocklist.csv", "listing.csv"):
        (tmp_path / name).write_bytes((CONFIG / name).read_bytes())
    assert arb("symbols", "import", "--dry-run").exit_code == 0
    assert not (tmp_path / "symbol_map.csv").exists()
    assert arb("symbols", "import", "--yes").exit_code == 0
    assert "005930_NX" in (tmp_path / "symbol_map.csv").read_text()
    assert "nothing to write" in arb("symbols", "import", "--yes").output


def test_a_bad_pilot_list_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_CONFIG_DIR", str(tmp_path))
    (tmp_path / "listing.csv").write_bytes((CONFIG / "listing.csv").read_bytes())
    (tmp_path / "Pilot_stocklist.csv").write_text("index,ticker\n1,5930\n")
    result = arb("symbols", "import", "--yes")
    assert result.exit_code == 2
    assert "line 2" in result.stderr
    assert "005930" in result.stderr
    assert not (tmp_path / "symbol_map.csv").exists()


@pytest.mark.parametrize("command", ["demo", "up", "down", "observe", "status", "preflight", "arm", "halt"])
def test_every_command_explains_itself(command: str) -> None:
    result = arb(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("groups", "word"), [("g1,g1", "g1"), ("g2, g1 ,g2", "g2"), (" , ", "no group"), ("g1,g9", "g9")]
)
def test_a_group_named_twice_or_that_nobody_reads_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, word: str
) -> None:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(config))
    before = (config / "symbol_map.csv").read_bytes()
    result = arb("symbols", "import", "--groups", groups, "--yes")
    assert result.exit_code == 2 and word in result.stderr
    assert (config / "symbol_map.csv").read_bytes() == before
