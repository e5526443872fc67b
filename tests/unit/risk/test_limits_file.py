"""limits.toml names every limit: what is lost in it, what an upgrade adds, and what a start tells."""

import json
from pathlib import Path

from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import TradingState
from services.contracts.trading_limits import STRICTEST, TradingLimits, limits_text
from services.risk.gates import GateKey, closed_gates
from services.risk.observed import FilesRead, FilesRefused
from services.risk.reference_data import on_files
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.world import DATE
from tests.unit.risk.desk import Desk, armed, files, of
from tests.unit.risk.test_reference_data import folder as folder
from tests.unit.risk.test_reference_data import holding, publications, touched, watch_on


def test_each_limit_that_is_not_named_is_asked_for_with_the_line_in_force(folder: Path) -> None:
    held = FilesRead.model_validate(files(world.limits(max_open_pairs=1)).model_dump())
    state = on_files(RiskState(), held, "cause").state
    for text, lost in (("", len(TradingLimits.model_fields)), (without("max_open_pairs"), 1)):
        touched(folder / "limits.toml", text)
        (refused,) = watch_on(folder)(state, world.ms(0))
        assert isinstance(refused, FilesRefused) and len(refused.problems) == lost
        assert any("max_open_pairs = 1" in problem for problem in refused.problems)
        (of_nothing,) = watch_on(folder)(RiskState(), world.ms(0))
        assert any("max_open_pairs = 2" in problem for problem in of_nothing.problems)


def without(*names: str) -> str:
    lines = limits_text(TradingLimits(clip_shares=5)).splitlines(keepends=True)
    return "".join(line for line in lines if line.split(" ")[0] not in names)


def test_a_refused_file_leaves_the_last_limits_also_over_a_restart(folder: Path) -> None:
    desk = armed(world.limits(max_open_pairs=1, max_order_krw=500_000))
    again = Desk(restore(RiskState(), changed_parts(None, desk.state)))
    touched(folder / "limits.toml", without("max_open_pairs"))
    (refused,) = watch_on(folder)(again.state, world.ms(0))
    (told,) = of(again.tell(refused), AlertRaised)
    assert told.code == "reference_refused" and "max_open_pairs = 1" in told.detail
    assert again.state.reference == desk.state.reference
    assert again.state.trading.state is TradingState.ARMED


def test_where_nothing_is_in_force_what_is_unknown_is_at_its_strictest(folder: Path) -> None:
    touched(folder / "limits.toml", without("max_daily_loss_krw", "max_pair_shares"))
    desk = Desk()
    (refused,) = watch_on(folder)(desk.state, world.ms(0))
    said = desk.tell(refused)
    (published,), (told,) = publications(said), of(said, AlertRaised)
    limits = published.reference.limits
    assert (limits.max_daily_loss_krw, limits.max_pair_shares, limits.clip_shares) == (0, 1, 1)
    assert limits.max_order_krw == TradingLimits().max_order_krw, "what is named holds"
    assert limits.max_loss_per_share_bps == TradingLimits().max_loss_per_share_bps, "exits go on"
    assert told.code == "reference_absent" and "max_daily_loss_krw = 300_000" in told.detail
    (gate,) = [gate for gate in closed_gates(desk.state, world.ms(1)) if gate.key is GateKey.REFERENCE]
    assert "max_daily_loss_krw" in gate.sentence and "arb doctor" in gate.sentence
    touched(folder / "limits.toml", without())
    (read,) = watch_on(folder)(desk.state, world.ms(0))
    (published,) = publications(desk.tell(read))
    assert published.reference.limits == TradingLimits(clip_shares=5), "nobody had said them before"
    assert not any(gate.key is GateKey.REFERENCE for gate in closed_gates(desk.state, world.ms(1)))


def test_a_stored_state_without_a_limit_holds_it_at_its_strictest_and_disarms(folder: Path) -> None:
    """An upgrade adds a limit: neither the state nor the file of the desk knows it."""
    desk = armed()
    parts = changed_parts(None, desk.state)
    for part in ("files", "reference"):
        stored = json.loads(parts[part])
        limits = stored["limits"]
        del limits["max_drawdown_krw"]
        parts[part] = json.dumps(stored)
    upgraded = Desk(restore(RiskState(), parts))
    assert upgraded.state.reference is not None
    assert upgraded.state.reference.limits == desk.state.reference.limits.model_copy(  # type: ignore[union-attr]
        update={"max_drawdown_krw": STRICTEST.max_drawdown_krw}
    )
    touched(folder / "limits.toml", without("max_drawdown_krw"))
    (refused,) = watch_on(folder)(upgraded.state, world.ms(0))
    upgraded.tell(refused)
    assert upgraded.state.trading.state is TradingState.DISARMED
    assert any("max_drawdown_krw" in gate.sentence for gate in closed_gates(upgraded.state, world.ms(1)))


def test_what_is_held_is_sold_where_a_limit_is_unknown(folder: Path) -> None:
    desk, _ = holding()
    files_ = desk.state.files
    assert files_ is not None
    desk.state = desk.state.but(files=files_.model_copy(update={"unknown": ("max_drawdown_krw",)}))
    desk.tell(FilesRefused(trading_date=DATE, problems=("limits.toml",), by="risk"))
    assert desk.state.trading.state is TradingState.REDUCE_ONLY


def test_a_start_tells_each_limit_that_the_file_says_anew() -> None:
    desk = armed(world.limits(max_open_pairs=2, max_pair_shares=10))
    assert [alert.code for alert in of(desk.said, AlertRaised)].count("limits_differ") == 0
    again = Desk(restore(RiskState(mode=None), changed_parts(None, desk.state)))
    edited = files(world.limits(max_open_pairs=1, max_pair_shares=12))
    (told,) = [alert for alert in of(again.tell(edited), AlertRaised) if alert.code == "limits_differ"]
    assert "max_open_pairs: 2 was in force, limits.toml says 1, 1 holds now" in told.detail
    assert "max_pair_shares: 10 was in force, limits.toml says 12, 10 holds now" in told.detail
    assert not any(alert.code == "limits_differ" for alert in of(again.tell(edited), AlertRaised))
