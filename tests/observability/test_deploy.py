"""What is deployed: the compose file, Alertmanager's routes, targets, and the two scripts."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from services.cli.stack_file import ProcessRecord, StackRecord, write_stack_file
from services.cli.wind_down import NOTHING_OPEN
from services.contracts.metrics import SERVICES
from services.market.files import load_symbol_map
from services.runtime.settings import RuntimeSettings
from tests.support.monitoring_tools import or_skip

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
OURS: Final = ("risk", "executor", "notifier", "worker", "detector-g1", "detector-g2", "gateway", "simulator")
SCRIPTS: Final = (*sorted(DEPLOY.glob("*.sh")), DEPLOY / "bin" / "arb")


def program(name: str) -> str:
    """Return a program that a package of the development group brings."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


# -- the compose file --------------------------------------------------------------------


def test_the_compose_file_is_of_its_schema() -> None:
    check = program("check-jsonschema")
    done = run(check, "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_is_pinned_watched_and_bounded(name: str) -> None:
    service = COMPOSE["services"][name]
    tag = service["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+", tag) or tag == "${ARB_VERSION:-local}".rpartition(":")[2]
    assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert "../config:/app/config:ro" in service["volumes"]
    assert "ports" not in service


def test_configuration_is_mounted_read_only_from_files_that_are_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert rest.endswith(":ro") and (DEPLOY / source).exists(), volume
            else:
                assert source in COMPOSE["volumes"], volume


def test_one_detector_runs_for_each_group_of_the_symbol_map() -> None:
    named = tomllib.loads((ROOT / "config" / "runtime.toml").read_text("utf-8"))["groups"]
    groups = {entry.group for entry in load_symbol_map(ROOT / "config", named) if entry.enabled}
    running = {
        service["environment"]["ARB_DETECTOR_GROUP"]
        for service in COMPOSE["services"].values()
        if "ARB_DETECTOR_GROUP" in service.get("environment", {})
    }
    assert running == groups


def test_prometheus_has_a_target_for_every_service_and_group() -> None:
    listed = json.loads((DEPLOY / "prometheus" / "targets" / "services.json").read_text("utf-8"))
    gateway = (
        COMPOSE["configs"]["gateway_target"]["content"]
        .replace("${ARB_METRICS_GATEWAY:-", "")
        .replace('}"]', '"]')
    )
    targets = [*listed, *json.loads(gateway)]
    assert {target["labels"]["service"] for target in targets} == set(SERVICES)
    for target in targets:
        (address,) = target["targets"]
        host, _, port = address.partition(":")
        assert COMPOSE["services"][host]["environment"]["ARB_RUNTIME_METRICS_PORT"] == port
        assert COMPOSE["services"][host]["environment"]["ARB_RUNTIME_METRICS_HOST"] == "0.0.0.0"
        assert COMPOSE["services"][host]["environment"].get("ARB_DETECTOR_GROUP") == target["labels"].get(
            "group"
        )


def test_every_variable_of_the_compose_file_is_explained() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    explained = set(re.findall(r"^#? ?([A-Z_]+)=", (DEPLOY / "env.example").read_text("utf-8"), re.MULTILINE))
    needed = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) | {
        secret["environment"] for secret in COMPOSE["secrets"].values()
    }
    set_by_up = set(re.findall(r"(ARB_ALERTMANAGER_[A-Z]+)=", (DEPLOY / "up.sh").read_text("utf-8")))
    assert sorted(needed - explained - set_by_up) == []


def test_no_variable_looks_like_a_setting_that_a_service_would_refuse() -> None:
    """One `.env` serves containers and services without them, which refuse an unknown ARB_<SECTION>_ key."""
    names = set(re.findall(r"^#? ?([A-Z_]+)=", (DEPLOY / "env.example").read_text("utf-8"), re.MULTILINE))
    prefixes = tuple(f"ARB_{name.upper()}_" for name in (*SERVICES, "runtime", "supervisor"))
    known = {f"ARB_RUNTIME_{field.upper()}" for field in RuntimeSettings.model_fields}
    assert [name for name in names - known if name.startswith(prefixes)] == []


def test_the_image_is_built_from_the_lock_alone() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert "--require-hashes --no-deps -r requirements/services.lock" in text
    assert (ROOT / "requirements" / "services.lock").is_file()
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")
    assert "*\n" in allowed and ".env" not in allowed.replace("no .env", "")


# -- Alertmanager ------------------------------------------------------------------------


@pytest.fixture
def alertmanager_file(tmp_path: Path) -> Path:
    """The configuration as the oldest Alertmanager takes it: 0.25 knows no `url_file` of a webhook."""
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8")
    swapped = text.replace("url_file: /run/secrets/heartbeat_url", "url: http://127.0.0.1:9/heartbeat")
    assert swapped != text
    swapped = swapped.replace("templates/*.tmpl", str(DEPLOY / "alertmanager" / "templates" / "*.tmpl"))
    path = tmp_path / "alertmanager.yml"
    path.write_text(swapped, encoding="utf-8")
    return path


def test_amtool_takes_the_configuration(alertmanager_file: Path) -> None:
    done = run(str(or_skip("amtool")), "check-config", str(alertmanager_file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=Watchdog", "severity=none"), "heartbeat"),
        (("alertname=NotifierDelivers", "severity=none"), "nobody"),
        (("alertname=PositionStranded", "severity=critical", "told_by=notifier"), "slack-critical"),
        (("alertname=ReaderBehind", "severity=warning"), "slack"),
        (("alertname=SymbolsPaused", "severity=info"), "slack"),
        (("alertname=Unheard",), "slack"),
    ],
)
def test_alerts_go_to_whom_they_should(
    alertmanager_file: Path, labels: tuple[str, ...], receiver: str
) -> None:
    amtool = str(or_skip("amtool"))
    done = run(amtool, "config", "routes", "test", f"--config.file={alertmanager_file}", *labels)
    assert done.stdout.strip() == receiver, done.stdout + done.stderr


# -- the scripts -------------------------------------------------------------------------


def test_the_scripts_pass_shellcheck() -> None:
    done = run(program("shellcheck"), *map(str, SCRIPTS))
    assert done.returncode == 0, done.stdout


SHIM: Final = """#!{python}
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([os.environ.get("SLACK_WEBHOOK_URL"), *sys.argv[1:]]) + "\\n")
words = sys.argv[1:]
runs = os.environ["RUNS"].split()
if "wind-down" in words and ("run" in words and "image" in runs or words[words.index("-T") + 1] in runs):
    print(os.environ["SAID"])
sys.exit(int(os.environ.get("FAIL", "0")) if os.environ.get("FAIL_AT", "never") in words else 0)
"""
"""Stands where docker would: notes how it was called, and answers for `arb` inside a container."""


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., tuple[subprocess.CompletedProcess[str], list[list[str]]]]:
    """Runs a script of deploy/ in a copy of its own, with the shim for docker; returns the calls of it."""
    folder = tmp_path / "desk"
    (folder / "deploy").mkdir(parents=True)
    for name in ("up.sh", "down.sh", "clean.sh", "compose.yaml"):
        (folder / "deploy" / name).write_bytes((DEPLOY / name).read_bytes())
        (folder / "deploy" / name).chmod(0o755)
    shims, calls = tmp_path / "shims", tmp_path / "calls"
    shims.mkdir()
    (shims / "docker").write_text(SHIM.format(python=sys.executable), encoding="utf-8")
    (shims / "docker").chmod(0o755)

    def call(
        script: str, *arguments: str, env_file: str | None = None, docker: bool = True, said: str = "",
        **environment: str,
    ) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:  # fmt: skip
        if env_file is not None:
            (folder / ".env").write_text(env_file, encoding="utf-8")
            (folder / ".env").chmod(0o600)
        path = f"{shims}:/usr/bin:/bin" if docker else "/usr/bin:/bin"
        own = {"PATH": path, "CALLS": str(calls), "SAID": NOTHING_OPEN, "RUNS": "risk", **environment}
        done = run(str(folder / "deploy" / script), *arguments, env=own, input=said)
        lines = calls.read_text("utf-8").splitlines() if calls.exists() else []
        return done, [json.loads(line) for line in lines]

    return call


FILLED: Final = "ARB_REDIS_PASSWORD=abc1\nARB_GRAFANA_PASSWORD=x\nARB_METRICS_GATEWAY=10.0.0.2:9464\n"
Desk = Callable[..., tuple[subprocess.CompletedProcess[str], list[list[str]]]]


def verbs(calls: list[list[str]]) -> list[str]:
    """Return what `arb` and compose were told, in order, without looking."""
    told = []
    for call in calls:
        words = call[call.index("arb") + 1 :] if "arb" in call else call
        told += [word for word in words if word in ("wind-down", "disarm", "down", "up")][:1]
    return told


@pytest.mark.skipif(os.access("/usr/bin/docker", os.X_OK), reason="docker is where every path leads")
def test_up_says_what_is_missing(desk: Desk) -> None:
    assert "docker is missing" in desk("up.sh", docker=False)[0].stderr
    assert "cp deploy/env.example .env" in desk("up.sh")[0].stderr
    assert "ARB_REDIS_PASSWORD is empty" in desk("up.sh", env_file="ARB_REDIS_PASSWORD=\n")[0].stderr
    odd = FILLED.replace("abc1", "a@b")
    assert "letters and digits" in desk("up.sh", env_file=odd)[0].stderr
    assert "daemon does not answer" in desk("up.sh", env_file=FILLED, FAIL_AT="info", FAIL="1")[0].stderr
    assert "is no option" in desk("up.sh", "--all", env_file=FILLED)[0].stderr


def test_up_waits_for_health_and_says_so_when_it_does_not_come(desk: Desk) -> None:
    done, calls = desk("up.sh", env_file=FILLED)
    assert done.returncode == 0, done.stderr
    started = next(call for call in calls if "up" in call)
    assert "--wait" in started and "--build" in started and "--profile" not in started
    assert "SLACK_WEBHOOK_URL is empty" in done.stderr
    done, _ = desk("up.sh", "--simulator", env_file=FILLED, FAIL_AT="up", FAIL="1")
    assert done.returncode == 1 and "not everything became healthy" in done.stderr


@pytest.mark.parametrize("env_file", ["", "SLACK_WEBHOOK_URL=\n"])
def test_up_hands_no_dead_address_to_the_notifier(desk: Desk, env_file: str) -> None:
    """What it hands over would come before config/slack.toml, and before the notifier's own log."""
    done, calls = desk("up.sh", env_file=FILLED + env_file)
    assert done.returncode == 0 and {call[0] for call in calls} == {None}
    own = "https://hooks.slack.com/services/T0/B0/exported"
    done, calls = desk("up.sh", env_file=FILLED + env_file, SLACK_WEBHOOK_URL=own)
    assert calls[-1][0] == own and "SLACK_WEBHOOK_URL is empty" not in done.stderr


def test_down_stops_trading_first(desk: Desk) -> None:
    done, calls = desk("down.sh", env_file=FILLED)
    assert done.returncode == 0, done.stderr
    assert verbs(calls) == ["wind-down", "disarm", "down"]


@pytest.mark.parametrize(("runs", "asked"), [("risk", 1), ("executor", 2), ("notifier", 3), ("image", 4)])
def test_down_asks_in_whichever_container_runs_and_stops_nothing_with_a_pair_open(
    desk: Desk, runs: str, asked: int
) -> None:
    done, calls = desk("down.sh", env_file=FILLED, SAID="open: pair P1 of 005930, selling", RUNS=runs)
    assert done.returncode == 1 and "nothing was stopped" in done.stderr and "P1" in done.stderr
    assert verbs(calls) == ["wind-down"] * asked


def test_down_names_what_is_not_known_and_stops(desk: Desk) -> None:
    done, calls = desk(
        "down.sh", env_file=FILLED, SAID="not known: what is open: the executor was never heard"
    )
    assert done.returncode == 1 and "executor was never heard" in done.stderr
    assert verbs(calls) == ["wind-down", "down"]


def test_down_takes_silence_for_no_answer(desk: Desk) -> None:
    done, calls = desk("down.sh", env_file=FILLED, RUNS="nothing")
    assert done.returncode == 1 and "nothing was stopped" in done.stderr
    assert "down" not in verbs(calls)


@pytest.mark.parametrize("environment", [{"SAID": "open: pair P1"}, {"RUNS": "nothing"}])
def test_down_goes_on_anyway_for_a_reason(desk: Desk, environment: dict[str, str]) -> None:
    assert "needs a reason" in desk("down.sh", "--anyway", env_file=FILLED)[0].stderr
    done, calls = desk("down.sh", "--anyway", "sold by hand", env_file=FILLED, **environment)
    assert done.returncode == 1 and verbs(calls)[-1] == "down"
    assert all("sold by hand" in call for call in calls if "wind-down" in call)


def test_clean_refuses_while_something_runs_or_is_not_archived(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    run_folder = folder / "run"
    (folder / ".venv").mkdir()
    (run_folder / "gateway").mkdir(parents=True)
    for environ in ({"ARB_RUNTIME_LOG_FILE": str(run_folder / "logs" / "risk.log")}, {}):
        living = subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin", **environ})
        born = Path(f"/proc/{living.pid}/stat").read_text("ascii").rpartition(")")[2].split()[19]
        record = ProcessRecord(name="risk", pid=living.pid, born="" if environ else born)
        write_stack_file(run_folder, StackRecord(redis_url="", processes=(record,)))
        try:
            done, _ = desk("clean.sh")
        finally:
            living.kill()
            living.wait()
        assert done.returncode == 1 and str(living.pid) in done.stderr and "arb down" in done.stderr
    for name in ("HALT", "gateway/intentions-2026-11-23.jsonl", "redis.aof"):
        (run_folder / name).touch()
        done, _ = desk("clean.sh")
        assert done.returncode == 1 and name in done.stderr
        (run_folder / name).unlink()
    assert (folder / ".venv").exists() and desk("clean.sh")[0].returncode == 0
    assert not run_folder.exists() and not (folder / ".venv").exists()


def test_down_deletes_volumes_only_after_the_word(desk: Desk) -> None:
    done, calls = desk("down.sh", "--volumes", env_file=FILLED, said="yes\n")
    assert done.returncode == 1 and verbs(calls) == []
    done, calls = desk("down.sh", "--volumes", env_file=FILLED, said="delete\n")
    assert done.returncode == 0
    assert "--volumes" in calls[-1]
