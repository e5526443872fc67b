import shutil
from pathlib import Path

import pytest

from services.contracts.terms import TradingDate
from services.market.errors import ConfigError
from services.market.files import (
    COSTS_FILE,
    FID215_FILE,
    HOGA_FILE,
    INSTRUMENTS_FILE,
    LISTING_FILE,
    SESSIONS_FILE,
    SYMBOL_MAP_FILE,
    load_listing,
    load_market,
    load_symbol_map,
)

DAY = TradingDate("2026-11-23")


@pytest.fixture
def copy(config_dir: Path, tmp_path: Path) -> Path:
    for path in config_dir.iterdir():
        if path.suffix in (".toml", ".csv"):
            shutil.copy(path, tmp_path / path.name)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def problem_of(config_dir: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_market(config_dir)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (COSTS_FILE, "krx = 0.00015", "krx = 0.15", "costs.toml, key commission.0.krx: 0.15 is 15 %"),
        (COSTS_FILE, "nxt = ", "nxt_rate = ", "costs.toml, key commission.0.nxt"),
        (COSTS_FILE, 'market = "KOSPI"', 'market = "NYSE"', "costs.toml, key sell_tax.0.market"),
        (SESSIONS_FILE, "2026-06-03", "2026-06-06", "sessions.toml, file: 2026-06-06 is a weekend"),
        (SESSIONS_FILE, "covered_through = ", "until = ", "sessions.toml, key covered_through: this key is"),
        (SESSIONS_FILE, '"pre_market"', '"premarket"', "sessions.toml, key regime.0.normal.NXT.0.phase"),
        (FID215_FILE, 'value = "R"', 'value = "RR"', "fid215.toml, key code.16.value"),
        (FID215_FILE, "earliest = 19:55:00", "earliest = 19:54:59", "fid215.toml, file: two meanings of"),
        (HOGA_FILE, 'hoga = "10"', 'hoga = "1O"', "hoga.toml, key code.1.hoga"),
        (HOGA_FILE, "[[code]]", "[[code]", "hoga.toml, TOML: cannot be read"),
    ],
)  # fmt: skip
def test_a_spoilt_table_is_named_with_its_key(copy: Path, name: str, old: str, new: str, said: str) -> None:
    replace(copy / name, old, new)
    with pytest.raises(ConfigError) as caught:
        load_market(copy)
    assert str(caught.value).startswith(said)
    assert all("Mend: " in str(problem) for problem in caught.value.problems)


@pytest.mark.parametrize("name", [COSTS_FILE, INSTRUMENTS_FILE, SESSIONS_FILE, FID215_FILE, HOGA_FILE])
def test_an_unknown_key_is_refused(copy: Path, name: str) -> None:
    path = copy / name
    path.write_text("surprise = 1\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert problem_of(copy).startswith(f"{name}, key surprise: this key is unknown")


@pytest.mark.parametrize("name", [COSTS_FILE, INSTRUMENTS_FILE, SESSIONS_FILE, FID215_FILE, HOGA_FILE])
def test_a_missing_table_is_named_with_its_place(copy: Path, name: str) -> None:
    (copy / name).unlink()
    said = problem_of(copy)
    assert said.startswith(f"{name}, file: cannot be opened")
    assert str(copy / name) in said


def test_every_spoilt_table_is_listed(copy: Path) -> None:
    for name in (COSTS_FILE, HOGA_FILE):
        (copy / name).write_text("surprise = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_market(copy)
    assert {problem.file for problem in caught.value.problems} == {COSTS_FILE, HOGA_FILE}


def test_a_table_that_is_not_utf8_is_refused(copy: Path) -> None:
    (copy / SYMBOL_MAP_FILE).write_bytes("KRX_code,이름\n".encode("cp949"))
    with pytest.raises(ConfigError, match=r"symbol_map\.csv, file: is not UTF-8"):
        load_symbol_map(copy, ("g1",))


def test_a_missing_csv_is_named(copy: Path) -> None:
    (copy / LISTING_FILE).unlink()
    with pytest.raises(ConfigError, match=r"listing\.csv, file: cannot be opened"):
        load_listing(copy)


def test_an_enabled_session_without_codes_is_found(copy: Path) -> None:
    assert load_market(copy).sessions_without_codes(DAY) == ()
    text = (copy / SESSIONS_FILE).read_text(encoding="utf-8")
    (copy / SESSIONS_FILE).write_text(text.replace(", enabled = false", ""), encoding="utf-8")
    assert load_market(copy).sessions_without_codes(DAY) == (
        "KRX trades in after_market on 2026-11-23, but hoga.toml enables no limit order there",
    )


def test_a_session_with_market_orders_alone_has_no_codes(copy: Path) -> None:
    sessions, hoga = copy / SESSIONS_FILE, copy / HOGA_FILE
    sessions.write_text(
        sessions.read_text(encoding="utf-8").replace(", enabled = false", ""), encoding="utf-8"
    )
    row = '[[code]]\nvenue = "KRX"\nphases = ["after_market"]\nkind = "market"\nhoga = "03"\nenabled = true\n'
    hoga.write_text(hoga.read_text(encoding="utf-8") + row, encoding="utf-8")
    assert len(load_market(copy).sessions_without_codes(DAY)) == 1


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            SESSIONS_FILE,
            "covered_through = 2027-12-31",
            "covered_through = 2028-12-31",
            "no closed date of 2028",
        ),
        (
            COSTS_FILE,
            "covered_through = 2026-12-28",
            "covered_through = 2022-12-28",
            "is before covered_from",
        ),
    ],
)
def test_a_table_moved_on_without_its_rows_is_refused(
    copy: Path, name: str, old: str, new: str, said: str
) -> None:
    replace(copy / name, old, new)
    with pytest.raises(ConfigError, match=said):
        load_market(copy)
