"""Settings: TOML under `.env` under the environment, and refusals that say what to mend."""

import socket
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic_settings import SettingsConfigDict

from services.executor.settings import ExecutorSettings
from services.gateway.settings import GatewaySettings
from services.notifier.settings import NotifierSettings
from services.risk.settings import RiskSettings
from services.runtime.logs import configure_logs
from services.runtime.metrics import Exporter, serve
from services.runtime.settings import (
    CONFIG_DIR_VARIABLE,
    RuntimeSettings,
    SectionSettings,
    SettingsError,
    load_settings,
)


class KettleSettings(SectionSettings):
    SECTION: ClassVar[str] = "kettle"
    model_config = SettingsConfigDict(env_prefix="ARB_KETTLE_")

    litres: int = 1
    label: str = "plain"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CONFIG_DIR_VARIABLE, str(tmp_path))
    return tmp_path


def test_defaults_hold_without_any_file(folder: Path) -> None:
    assert load_settings(KettleSettings).litres == 1


def test_a_folder_that_is_named_and_not_there_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_DIR_VARIABLE, str(folder / "confg"))
    with pytest.raises(SettingsError, match=f"{CONFIG_DIR_VARIABLE} names .*confg.*no folder"):
        load_settings(KettleSettings)


@pytest.mark.parametrize(
    ("settings", "variable", "value", "form"),
    [
        (RuntimeSettings, "ARB_RUNTIME_GROUPS", "g1,g2", '["one", "two"]'),
        (NotifierSettings, "ARB_NOTIFIER_RETIRED_READERS", "detector-g3", '["one", "two"]'),
        (NotifierSettings, "ARB_NOTIFIER_WEBHOOKS", "critical=oncall", '{"key": "value"}'),
    ],
)
@pytest.mark.parametrize("where", ["environment", "dotenv"])
def test_a_variable_that_is_no_json_is_named_with_its_form(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: type[SectionSettings],
    variable: str,
    value: str,
    form: str,
    where: str,
) -> None:
    if where == "dotenv":
        (folder / ".env").write_text(f"{variable}={value}\n")
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings(settings)
    assert variable in str(refused.value) and form in str(refused.value) and value not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "key", "value"),
    [
        (RuntimeSettings, "groups", ("",)),
        (RuntimeSettings, "groups", ("G 1",)),
        (ExecutorSettings, "gateway", "Main "),
        (RiskSettings, "required_services", ("gateway", "exectuor")),
        (GatewaySettings, "halt_file", ""),
    ],
)
def test_a_name_that_cannot_be_meant_is_refused(
    folder: Path, settings: type[SectionSettings], key: str, value: object
) -> None:
    with pytest.raises(SettingsError, match=key):
        load_settings(settings, **{key: value})


def test_environment_beats_dotenv_beats_toml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "kettle.toml").write_text('litres = 2\nlabel = "toml"\n')
    assert load_settings(KettleSettings).litres == 2
    (folder / ".env").write_text("ARB_KETTLE_LITRES=3\n")
    assert load_settings(KettleSettings).litres == 3
    monkeypatch.setenv("ARB_KETTLE_LITRES", "4")
    settings = load_settings(KettleSettings)
    assert (settings.litres, settings.label) == (4, "toml")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("liters = 2\n", "liters: this key is unknown; did you mean litres?"),
        ("spout = 2\n", "spout: this key is unknown; known are label, litres"),
        ('litres = "many"\n', "litres"),
        ("litres = = 2\n", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_with_key_and_file(folder: Path, toml: str, said: str) -> None:
    (folder / "kettle.toml").write_text(toml)
    with pytest.raises(SettingsError) as refusal:
        load_settings(KettleSettings)
    assert said in str(refusal.value) and "kettle.toml" in str(refusal.value)


def test_an_unknown_variable_is_refused_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_KETTLE_LITERS", "4")
    with pytest.raises(SettingsError, match="ARB_KETTLE_LITERS"):
        load_settings(KettleSettings)


def test_an_unknown_key_of_this_section_in_dotenv_is_refused(folder: Path) -> None:
    (folder / ".env").write_text("ARB_KETTLE_LITERS=3\n")
    with pytest.raises(SettingsError, match="liters"):
        load_settings(KettleSettings)


def test_keys_of_other_sections_and_secrets_in_dotenv_are_not_ours(folder: Path) -> None:
    (folder / ".env").write_text("ARB_TEAPOT_SIZE=3\nSLACK_WEBHOOK_URL=https://example.invalid/x\n")
    assert load_settings(KettleSettings).litres == 1


def test_a_refusal_does_not_print_the_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_KETTLE_LITRES", "s3cret")
    with pytest.raises(SettingsError) as refusal:
        load_settings(KettleSettings)
    assert "s3cret" not in str(refusal.value)


def test_a_taken_metrics_port_is_refused_with_how_to_choose_another() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"metrics_port {port}.*ARB_RUNTIME_METRICS_PORT"):
            serve(Exporter("risk"), port)


def test_metrics_are_served_on_the_interface_that_is_named_and_by_default_on_this_machine_alone() -> None:
    """127.0.0.2 is this machine too, but another interface."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runtime = RuntimeSettings()
    serve(Exporter("risk"), port, runtime.metrics_host)
    socket.create_connection((runtime.metrics_host, port), timeout=1).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=1)
    serve(Exporter("risk"), port, "127.0.0.2")
    socket.create_connection(("127.0.0.2", port), timeout=1).close()


def test_an_interface_that_this_machine_does_not_have_is_refused_with_its_key() -> None:
    with pytest.raises(SettingsError, match=r"metrics_host 192\.0\.2\.1.*ARB_RUNTIME_METRICS_HOST"):
        serve(Exporter("risk"), 9, "192.0.2.1")


@pytest.mark.parametrize("url", ["foo", "http://127.0.0.1", "redis://h:port/0", "redis://:se/cret@h:1/0"])
def test_an_address_that_is_none_of_redis_is_refused_at_the_start_and_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", url)
    with pytest.raises(SettingsError, match="redis_url") as refusal:
        load_settings(RuntimeSettings)
    assert url not in str(refusal.value) and "se/cret" not in str(refusal.value)


def test_a_log_file_that_cannot_be_written_is_refused_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(SettingsError, match=r"log_file .*ARB_RUNTIME_LOG_FILE"):
        configure_logs("INFO", str(tmp_path / "a file" / "x.log"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a file that is there and cannot be read")
def test_a_file_that_cannot_be_read_is_refused_with_its_name(folder: Path) -> None:
    (folder / "kettle.toml").symlink_to("/proc/self/mem")
    with pytest.raises(SettingsError, match=r"kettle\.toml: cannot be read"):
        load_settings(KettleSettings)
