"""Every file a person edits, damaged: used whole, or refused with file, place and mend; never a crash."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.threshold import ThresholdTable
from services.detector.settings import DetectorSettings
from services.executor.settings import ExecutorSettings
from services.gateway.settings import GatewaySettings
from services.market.costs import CostTable
from services.market.errors import ConfigError
from services.market.files import (
    load_limits,
    load_listing,
    load_symbol_map,
    load_toml,
    read_day_plan,
    read_text,
    write_day_plan,
)
from services.market.hoga import HogaTable
from services.market.instruments import InstrumentTable
from services.market.market_clock import REAL_TIME
from services.market.phases import Fid215Map
from services.market.sessions import Timetable
from services.market.symbols import import_pilot
from services.notifier.settings import NotifierSettings
from services.risk.settings import RiskSettings
from services.runtime.settings import RuntimeSettings, SectionSettings, SettingsError, load_settings
from tests.contracts.examples import NOW_NS
from tests.fuzz.profile import examples
from tests.house.source import ROOT

CONFIG = ROOT / "config"
GROUPS = ("g1", "g2", "g3", "g4")
PLAN = "plan.json"


def pilot(folder: Path) -> object:
    return import_pilot(read_text(folder / "Pilot_stocklist.csv"), load_listing(CONFIG), GROUPS)


READERS: dict[str, Callable[[Path], object]] = {
    "sessions.toml": lambda folder: load_toml(folder / "sessions.toml", Timetable),
    "costs.toml": lambda folder: load_toml(folder / "costs.toml", CostTable),
    "instruments.toml": lambda folder: load_toml(folder / "instruments.toml", InstrumentTable),
    "fid215.toml": lambda folder: load_toml(folder / "fid215.toml", Fid215Map),
    "hoga.toml": lambda folder: load_toml(folder / "hoga.toml", HogaTable),
    "limits.toml": load_limits,
    "threshold.toml": lambda folder: load_toml(folder / "threshold.toml", ThresholdTable),
    "symbol_map.csv": lambda folder: load_symbol_map(folder, GROUPS),
    "listing.csv": load_listing,
    "Pilot_stocklist.csv": pilot,
    PLAN: lambda folder: read_day_plan(folder / PLAN),
}
SETTINGS: dict[str, type[SectionSettings]] = {
    "runtime": RuntimeSettings, "gateway": GatewaySettings, "detector": DetectorSettings,
    "risk": RiskSettings, "executor": ExecutorSettings, "notifier": NotifierSettings,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file as it ought to be, the plan of a day included."""
    plan = tmp_path_factory.mktemp("plan") / PLAN
    write_day_plan(plan, REAL_TIME.plan_at(NOW_NS))
    shipped = {name: (CONFIG / name).read_bytes() for name in READERS if name != PLAN}
    return {**shipped, PLAN: plan.read_bytes()}


JUNK = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n\n", b'"', b"'", b",", b",,,,", b"=",
    b"[", b"]]", b"[[code]]\n", b"#", b"-1", b"1e999", b"nan", b"inf", b"9" * 40, b"true", "삼성".encode(),
    "삼성".encode("cp949"),
    b"2026-02-30", b"24:00:00", b"\xed\xa0\x80", b"x = 1\n", b"a.b.c = {}\n", b"=" * 2_000,
)  # fmt: skip


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Return a way to damage a file: cut, doubled lines, junk put in, another encoding or line end."""
    where, length = draw(st.floats(0, 1)), draw(st.integers(0, 40))
    junk = draw(st.sampled_from(JUNK))

    def at(text: bytes) -> int:
        return int(where * len(text))

    def doubled(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        number = int(where * (len(lines) - 1)) if lines else 0
        return b"".join(
            [*lines[: number + 1], *lines[number : number + 1 + length % 3], *lines[number + 1 :]]
        )

    return draw(
        st.sampled_from(
            (
                lambda text: text[: at(text)],
                lambda text: text[: at(text)] + text[at(text) + length :],
                lambda text: text[: at(text)] + junk + text[at(text) :],
                lambda text: text[: at(text)] + junk + text[at(text) + length :],
                doubled,
                lambda text: text.decode().encode("utf-16"),
                lambda text: text.decode().encode("cp949", "replace"),
                lambda text: b"\xef\xbb\xbf" + text,
                lambda text: text.replace(b"\n", b"\r\n"),
                lambda text: text.replace(b"\n", b"\r"),
                lambda text: text * 2,
            )
        )
    )


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@examples(40)
def test_a_damaged_file_is_read_whole_or_refused(
    name: str, data: st.DataObject, folder: Path, whole: dict[str, bytes]
) -> None:
    text = whole[name]
    for damage in data.draw(st.lists(damages(), min_size=1, max_size=2)):
        try:
            text = damage(text)
        except UnicodeDecodeError:
            break
    (folder / name).write_bytes(text)
    try:
        READERS[name](folder)
    except ConfigError as refused:
        assert refused.problems
        for problem in refused.problems:
            assert problem.file == name
            assert problem.where and problem.what and problem.mend


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("encoding", ["windows line ends", "a byte order mark", "both"])
def test_what_a_windows_editor_saves_is_taken(
    name: str, encoding: str, folder: Path, whole: dict[str, bytes]
) -> None:
    """Notepad and Excel put a byte order mark before UTF-8 and end lines with CR LF."""
    text = whole[name]
    (folder / name).write_bytes(text)
    plain = READERS[name](folder)
    if encoding != "a byte order mark":
        text = text.replace(b"\n", b"\r\n")
    if encoding != "windows line ends":
        text = b"\xef\xbb\xbf" + text
    (folder / name).write_bytes(text)
    assert READERS[name](folder) == plain


@pytest.mark.parametrize("section", SETTINGS)
@given(data=st.data())
@examples(20)
def test_damaged_settings_are_taken_or_refused_naming_the_file(
    section: str, data: st.DataObject, folder: Path
) -> None:
    text = (CONFIG / f"{section}.toml").read_bytes()
    try:
        text = data.draw(damages())(text)
    except UnicodeDecodeError:
        return
    (folder / f"{section}.toml").write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARB_CONFIG_DIR", str(folder))
        try:
            load_settings(SETTINGS[section])
        except SettingsError as refused:
            assert f"{section}.toml" in str(refused)


@pytest.mark.parametrize("section", SETTINGS)
def test_settings_that_a_windows_editor_saved_are_taken(
    section: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))
    plain = load_settings(SETTINGS[section])
    text = (CONFIG / f"{section}.toml").read_bytes().replace(b"\n", b"\r\n")
    (folder / f"{section}.toml").write_bytes(b"\xef\xbb\xbf" + text)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(folder))
    assert load_settings(SETTINGS[section]) == plain
