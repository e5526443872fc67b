"""Days of a fund, a preferred share and a share with letters in its code: they trade like any other."""

import shutil
from pathlib import Path

from services.contracts.messages.pairs import PairClosed
from services.lab.invariants import violations
from services.simulator.virtual.day import VirtualDay, run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM

CONFIG = Path(__file__).resolve().parents[2] / "config"
LISTING = """code,name_en,name_kr,market,base_price_krw
069500,KODEX 200,KODEX 200,ETF,40005
005935,Samsung Electronics Pref,삼성전자우,KOSPI,160000
0126Z0,Samsung Epis Holdings,삼성에피스홀딩스,KOSPI,520000
"""
NXT_OPENS = """
[[fund_venue]]
venue = "NXT"
effective_from = 2026-11-23
enabled = true
ticks = [[0, 1], [2000, 5]]
"""


def desk_of(folder: Path, extra: str) -> Desk:
    copy = folder / "config"
    shutil.copytree(CONFIG, copy)
    (copy / "listing.csv").write_text(LISTING, encoding="utf-8")
    table = copy / "instruments.toml"
    table.write_text(table.read_text(encoding="utf-8") + extra, encoding="utf-8")
    return build_desk(copy)


def trips(desk: Desk, seeds: range) -> dict[str, int]:
    """Closed pairs with a fill by symbol, over calm days that broke nothing."""
    found = dict.fromkeys((share.code for share in desk.listing), 0)
    for seed in seeds:
        day = VirtualDay(desk, seed, CALM)
        day.run()
        assert violations(day.witness) == []
        for pair in day.witness.of(PairClosed):
            found[pair.symbol] += pair.trip
    return found


def test_fund_preferred_share_and_letters_trade_like_any_other(tmp_path: Path) -> None:
    found = trips(desk_of(tmp_path, NXT_OPENS), range(1, 3))
    assert all(found.values()), found


def test_a_fund_is_left_alone_until_its_market_is_switched_on(tmp_path: Path) -> None:
    found = trips(desk_of(tmp_path, ""), range(1, 2))
    assert found.pop("069500") == 0
    assert all(found.values()), found


def test_days_with_faults_and_a_fund_break_no_invariant(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, NXT_OPENS)
    assert [run_day(desk, seed).violations for seed in range(20, 23)] == [[]] * 3
