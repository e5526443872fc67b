"""Days with the optional after-market, and with a NXT that takes no IOC although we believe it does."""

import shutil
from dataclasses import replace
from pathlib import Path

from services.contracts.messages.orders import OrderRejected
from services.contracts.messages.pairs import PairApproved, PairClosed
from services.contracts.terms import OrderKind, Venue
from services.lab.invariants import violations
from services.market.hoga import HogaTable
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM

CONFIG = Path(__file__).resolve().parents[2] / "config"
NO_CODE = """enabled = false
why = "the broker's codes for the KRX after-market are not known"
"""
AFTER_MARKET_NS = 16 * 3600 * 1_000_000_000


def after_market(folder: Path, *, codes: bool) -> Desk:
    """A desk whose timetable trades the KRX after-market, with or without order codes for it."""
    copy = folder / "config"
    shutil.copytree(CONFIG, copy)
    sessions, hoga = copy / "sessions.toml", copy / "hoga.toml"
    timetable = sessions.read_text(encoding="utf-8")
    assert ", enabled = false" in timetable
    sessions.write_text(timetable.replace(", enabled = false", ""), encoding="utf-8")
    if codes:
        limit, ioc, rest = hoga.read_text(encoding="utf-8").split(NO_CODE)
        both = f'{limit}hoga = "00"\nenabled = true\n{ioc}hoga = "10"\nenabled = true\n{rest}'
        hoga.write_text(both, encoding="utf-8")
    return build_desk(copy)


def run(desk: Desk, seed: int, faults: object = CALM) -> VirtualDay:
    day = VirtualDay(desk, seed, faults)  # type: ignore[arg-type]
    day.run()
    assert violations(day.witness) == []
    return day


def test_the_after_market_is_traded_once_its_codes_are_known(tmp_path: Path) -> None:
    day = run(after_market(tmp_path, codes=True), 2)
    evening_ns = day.plan.wall_ns(AFTER_MARKET_NS)
    evening = {p.pair_id for p in day.witness.ever(PairApproved) if p.expires_at_ns > evening_ns}
    assert any(pair.pair_id in evening and pair.trip for pair in day.witness.of(PairClosed))


def test_a_session_without_codes_keeps_the_desk_disarmed(tmp_path: Path) -> None:
    day = run(after_market(tmp_path, codes=False), 1)
    assert not day.witness.ever(PairApproved)


class Believes(Desk):
    """A desk whose gateway holds for certain that NXT takes IOC."""

    def hoga(self, nxt_takes_ioc: bool) -> HogaTable:
        return self.rules.hoga


def test_a_venue_that_refuses_ioc_gets_limits_and_cancels() -> None:
    desk = build_desk(CONFIG)
    believes = Believes(desk.rules, desk.baskets, desk.gateway)
    day = run(believes, 3, replace(CALM, terms=replace(CALM.terms, nxt_takes_ioc=False)))
    refused = day.witness.ever(OrderRejected)
    assert {(r.facts.venue, r.facts.kind) for r in refused} == {(Venue.NXT, OrderKind.LIMIT_IOC)}
    assert len(refused) <= 2, "it is sent there once, or once more while the first answer is on its way"
    assert sum(pair.trip for pair in day.witness.of(PairClosed)) > 5
