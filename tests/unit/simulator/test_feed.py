"""Real-time frames: who gets them, what they say, and the limits of registration."""

from services.contracts.terms import SessionPhase
from services.simulator.frames import BookFrame, TradeFrame, from_wire, kind_of, price_text, to_wire

from .harness import Desk, options, phases

CODE = "005930"
TRADING = options(world={"trade_rate": 1.0})


def codes_of(desk: Desk) -> set[str]:
    return {code for code, _, _ in desk.reals}


def test_frames_come_for_registered_codes_and_types_only() -> None:
    desk = Desk(TRADING)
    desk.run(2_000)
    assert desk.reals == []
    assert desk.call("SetRealReg", "1000", f"{CODE};000660_NX", "41;51", "0") == 0
    desk.run(3_000)
    assert codes_of(desk) == {CODE, "000660_NX"}
    assert {kind for _, kind, _ in desk.reals} == {"주식호가잔량"}


def test_every_fid_of_a_type_can_be_read_whatever_was_registered() -> None:
    desk = Desk(TRADING)
    desk.call("SetRealReg", "1000", CODE, "21;10;27", "0")
    desk.run(3_000)
    by_kind = {kind: fids for _, kind, fids in desk.reals}
    book = by_kind["주식호가잔량"]
    assert (book[41], book[51]) == ("+199500", "199400")
    assert int(book[61]) > 0
    assert int(book[121]) >= int(book[61])
    trade = by_kind["주식체결"]
    assert trade[9081] == "1"
    assert trade[15][0] in "+-"
    assert len(trade[20]) == 6
    assert set(by_kind) == {"주식호가잔량", "주식체결", "주식우선호가"}


def test_option_0_replaces_the_screen_and_1_adds_to_it() -> None:
    desk = Desk(TRADING)
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.call("SetRealReg", "1000", "000660", "41", "1")
    desk.run(2_000)
    assert codes_of(desk) == {CODE, "000660"}
    desk.call("SetRealReg", "1000", "247540", "41", "0")
    desk.reset()
    desk.run(2_000)
    assert codes_of(desk) == {"247540"}


def test_a_code_on_two_screens_must_be_removed_from_both() -> None:
    desk = Desk(TRADING)
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.call("SetRealReg", "1001", CODE, "10", "0")
    desk.call("SetRealRemove", "1000", CODE)
    desk.run(2_000)
    assert {kind for _, kind, _ in desk.reals} == {"주식체결"}
    desk.call("DisconnectRealData", "1001")
    desk.reset()
    desk.run(2_000)
    assert desk.reals == []
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.call("SetRealRemove", "ALL", "ALL")
    desk.run(2_000)
    assert desk.reals == []


def test_the_limits_of_registration() -> None:
    desk = Desk()
    many = ";".join(f"{number:06d}" for number in range(101))
    assert desk.call("SetRealReg", "1000", many, "41", "0") == -204
    assert desk.call("SetRealReg", "1000", many[: 7 * 100 - 1], "41", "0") == 0
    assert desk.call("SetRealReg", "1000", CODE, "41", "1") == -204, "the screen is full"
    fids = ";".join(str(fid) for fid in range(1000, 1101))
    assert desk.call("SetRealReg", "1001", CODE, fids, "0") == -206
    assert desk.call("SetRealReg", "0000", CODE, "41", "0") == -105
    for screen in range(1001, 1200):
        assert desk.call("SetRealReg", str(screen), CODE, "41", "0") == 0
    assert desk.call("SetRealReg", "1200", CODE, "41", "0") == -105, "200 screens are in use"


def test_a_query_about_a_symbol_registers_it_on_its_screen() -> None:
    desk = Desk(TRADING)
    desk.query("OPT10001", {"종목코드": CODE})
    desk.run(2_000)
    assert {kind for _, kind, _ in desk.reals} >= {"주식호가잔량", "주식체결"}
    desk.call("DisconnectRealData", "3000")
    desk.reset()
    desk.run(2_000)
    assert desk.reals == []


def test_phases_are_announced_as_the_sheet_has_them() -> None:
    day = phases(
        [
            (5, SessionPhase.CLOSED),
            (5, SessionPhase.OPENING_AUCTION),
            (10, SessionPhase.CONTINUOUS),
            (5, SessionPhase.CLOSING_AUCTION),
            (5, SessionPhase.PAUSE),
            (5, SessionPhase.CLOSING_PRICE),
            (10, SessionPhase.AFTER_MARKET),
        ],
        [
            (5, SessionPhase.PRE_MARKET),
            (6, SessionPhase.PAUSE),
            (9, SessionPhase.CONTINUOUS),
            (5, SessionPhase.PAUSE),
            (5, SessionPhase.AFTER_INTAKE),
            (15, SessionPhase.AFTER_MARKET),
        ],
    )
    desk = Desk(options(), schedule=day)
    desk.call("SetRealReg", "1000", "", "215;20;214", "0")
    desk.run(50_000, step_ms=50)
    frames = [fids for _, kind, fids in desk.reals if kind == "장시작시간"]
    assert "".join(frame[215] for frame in frames) == "0Q3R2S48TaUb9V"
    opened = next(frame for frame in frames if frame[215] == "3")
    assert (opened[20], opened[214]) == ("000010", "000010")


def test_a_vi_is_shown_active_and_again_when_it_ends_after_its_query_switched_it_on() -> None:
    desk = Desk()
    desk.world.inject(desk.now_ns, "vi", {"code": "000660", "venue": "NXT"})
    desk.run(200)
    assert desk.reals == []
    assert [row[0] for row in desk.query("OPT10054", {})["table"]] == ["000660_NX"]
    desk.world.inject(desk.now_ns, "vi", {"code": CODE, "venue": "KRX"})
    desk.run(125_000, step_ms=100)
    shown = [fids for _, kind, fids in desk.reals if kind == "VI발동/해제" and fids[9001] == CODE]
    assert [fids[1224] == "000000" for fids in shown] == [True, False]
    assert shown[0][1223] == shown[1][1223]


def test_prices_carry_the_sign_of_their_distance_to_the_base() -> None:
    assert [price_text(price, 100) for price in (101, 100, 99, 0)] == ["+101", "100", "-99", "0"]


def test_a_missing_level_reads_as_zero() -> None:
    frame = BookFrame("090000", 100, [(101, 5)], [], 5, 0)
    assert [frame.text(fid) for fid in (41, 61, 42, 62, 51, 71, 50, 60, 80, 81)] == [
        *("+101", "5", "0", "0", "0", "0", "0", "0", "0", "0")
    ]


def test_frames_survive_the_wire() -> None:
    for frame in (
        BookFrame("090000", 100, [(101, 5)], [(99, 3)], 5, 3, True),
        TradeFrame("090000", 100, 101, -7, 102, 101, 70, 7070, 100, 101, 99, "2"),
    ):
        again = from_wire(kind_of(frame), to_wire(frame))
        assert [again.text(fid) for fid in range(10, 130)] == [frame.text(fid) for fid in range(10, 130)]
