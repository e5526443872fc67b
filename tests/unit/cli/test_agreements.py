"""Files that are good each by itself and do not fit each other, or the disk: `arb doctor` names them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.cli.agreements import agreements, folders
from services.cli.doctor import _limits, _redis
from services.cli.preflight import Check
from services.contracts.trading_limits import TradingLimits
from services.runtime.settings import CONFIG_DIR_VARIABLE

SHIPPED = Path(__file__).parents[3] / "config"
SLACK = "https://hooks.slack.com/services/T/B/x"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copied = tmp_path / "config"
    shutil.copytree(SHIPPED, copied)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CONFIG_DIR_VARIABLE, str(copied))
    return copied


def wrong(checks: Iterator[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.ok}


def test_the_shipped_files_agree(config: Path) -> None:
    assert wrong(agreements(config)) == {} and wrong(folders()) == {}


@pytest.mark.parametrize(
    ("file", "before", "after", "name", "said"),
    [
        ("executor.toml", 'gateway = "main"', 'gateway = "second"', "gateway name", "'second'"),
        ("runtime.toml", 'day_plan = ""', 'day_plan = "/tmp/plan.json"', "day plan", "/tmp/plan.json"),
        ("risk.toml", '"gateway", "executor", "notifier"', '"gateway"', "required services", "executor"),
        ("risk.toml", '"gateway",', '"gateway", "detector-g9",', "required services", "g9"),
        ("notifier.toml", "webhooks = {} ", 'webhooks = { critical = "desk" } ', "webhooks", "_DESK"),
        ("symbol_map.csv", "005930,005930_NX", "005931,005931_NX", "symbols listed", "005931 is not in"),
        ("symbol_map.csv", "Electronics,KOSPI", "Electronics,KOSDAQ", "symbols listed", "005930 is KOSDAQ"),
    ],
)
def test_two_files_that_do_not_fit_are_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, file: str, before: str, after: str, name: str, said: str
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", SLACK)
    text = (config / file).read_text(encoding="utf-8")
    assert before in text
    (config / file).write_text(text.replace(before, after, 1), encoding="utf-8")
    found = wrong(agreements(config))
    assert list(found) == [name] and said in found[name]


def test_a_webhook_that_is_no_address_is_named_without_it(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "hooks.slack.com/secret")
    (detail,) = wrong(agreements(config)).values()
    assert "SLACK_WEBHOOK_URL" in detail and "secret" not in detail


@pytest.mark.parametrize(
    ("variable", "path", "name"),
    [
        ("ARB_RUNTIME_LOG_FILE", "/proc/none/arb.log", "log_file of runtime.toml"),
        ("ARB_GATEWAY_STATE_DIR", "/dev/null/gateway", "state_dir of gateway.toml"),
        ("ARB_NOTIFIER_JOURNAL_DIR", "/dev/null/journal", "journal_dir of notifier.toml"),
        ("ARB_SUPERVISOR_LOG_DIR", "/dev/null/logs", "log_dir of supervisor.toml"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, variable: str, path: str, name: str
) -> None:
    monkeypatch.setenv(variable, path)
    assert list(wrong(folders())) == [name]


def test_lines_that_limits_lacks_are_printed_to_paste(config: Path) -> None:
    (config / "limits.toml").write_text("clip_shares = 1\n", encoding="utf-8")
    check = _limits(config)
    assert not check.ok and "max_daily_loss_krw = 300_000" in check.detail
    assert check.detail.count("add the line") == len(TradingLimits.model_fields) - 1


@pytest.mark.redis
def test_what_redis_keeps_is_judged_also_where_it_may_not_be_asked(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    client.config_set("appendonly", "yes")
    client.config_set("appendfsync", "no")
    assert "redis appendfsync" in wrong(_redis(redis_url))
    client.config_set("appendfsync", "everysec")
    assert not any(
        name.startswith("redis ") for name in wrong(_redis(redis_url)) if name != "redis maxmemory-policy"
    )
    client.acl_setuser(
        "op", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], commands=["-info"]
    )
    try:
        found = wrong(_redis(redis_url.replace("unix://", "unix://op:pw@")))
    finally:
        client.acl_deluser("op")
    assert "info" in found["redis user"]
