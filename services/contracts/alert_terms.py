"""The terms that alerts are filled with, by table, in both languages. `{name:table}`: see `alert_text`."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, Mapping[str, str]]] = {
    "side": {"buy": "buy", "sell": "sell"},
    "state": {
        "disarmed": "disarmed", "halted": "halted", "reduce_only": "reduce only",
        "pause_entry": "pause entry", "armed": "armed",
    },
    "direction": {"behind": "behind", "ahead": "ahead of"},
    "reading": {"unknown": "unknown", "implausible": "implausible"},
    "halt": {
        "volatility_interruption": "volatility interruption", "trading_halt": "trading halt",
        "not_eligible": "not eligible today",
    },
    "latch": {
        "unplanned_disconnect": "unplanned disconnect", "repeated_errors": "repeated errors",
        "cumulative_loss": "cumulative loss", "pair_loss": "loss of one pair", "losing_streak": "losing streak",
        "drawdown": "drawdown", "unhedged": "unhedged", "residual_stranded": "residual stranded",
        "reconciliation_difference": "reconciliation difference", "clocks": "clocks",
        "mixed_builds": "mixed builds",
    },
    "latch_step": {
        "unplanned_disconnect": "See why the connection was lost, wait until it is ready and reconciled",
        "repeated_errors": "Read the refusals with `arb explain`, mend their cause",
        "cumulative_loss": "Find out what lost money; raising max_daily_loss_krw needs a reason of its own",
        "pair_loss": "See with `arb explain` how the pair lost it",
        "losing_streak": "See with `arb explain` what the last pairs lost by: costs, late sells or bad quotes",
        "drawdown": "See with `arb status` what was lost since the day's best",
        "unhedged": "See with `arb status` what is held; `arb flatten` sells it, or sell it by hand and claim it "
        "with `arb residual resolve`",
        "residual_stranded": "Sell the position by hand and claim it with `arb residual resolve`",
        "reconciliation_difference": "Compare orders and holdings with the broker's own screen",
        "clocks": "Mend the clocks of the machines",
        "mixed_builds": "Start every service from one build",
    },
    "strand": {
        "attempts_spent": "every attempt of the ladder was spent",
        "loss_bound": "no bid is within the allowed loss",
        "no_venue": "no venue can trade it now",
        "no_quote": "there is no book to price a sell from",
        "after_hours": "both venues are closed for today",
        "trading_state": "the trading state allows no sell",
        "denied": "the gateway refused every attempt",
        "ambiguous": "it is not certain what the pair holds",
        "settled": "it is certain again what the pair holds",
        "fault": "the executor failed at deciding for this pair",
    },
    "book": {
        "crossed": "its best bid has stood above its own best ask",
        "locked": "its best bid has equalled its own best ask",
        "unsorted": "its levels have been out of order",
        "off_tick": "a price has been off the tick grid",
        "outside_band": "a price has been outside the day's limits",
        "unreadable": "a price or a quantity has been no number",
    },
    "doubt": {
        "silent": "the gateway has said nothing of it although the command has expired",
        "unknown": "nobody knows whether it reached the broker",
        "uncancelled": "it did not end although cancels were asked for",
    },
    "ended": {
        "flat": "it holds nothing any more", "again": "the ladder is tried again", "changed": "it has changed",
        "known": "what became of it is known", "person": "a person settled what it left",
    },
    "outcome": {
        "flat": "flat", "not_filled": "without a fill", "expired": "by time", "stopped": "by a stop",
        "claimed": "by a person's hand",
    },
    "journal": {
        "redis": "Redis cannot be read", "locked": "another process writes it",
        "disk": "it cannot be written", "fault": "a fault", "key": "a key is no stream",
    },
    "journal_step": {
        "redis": "Look at Redis with `arb doctor`.", "locked": "Stop the other notifier.",
        "disk": "Make room on the disk or mend it; the streams keep everything until then.",
        "fault": "Read the notifier's log with `arb logs notifier`, then restart the notifier.",
        "key": "The other streams go on. Find out who wrote that key, then rename or delete it.",
    },
}  # fmt: skip

KOREAN: Final[Mapping[str, Mapping[str, str]]] = {
    "side": {"buy": "매수", "sell": "매도"},
    "state": {
        "disarmed": "거래 해제(disarmed)", "halted": "전면 중지(halted)", "reduce_only": "청산만 허용(reduce only)",
        "pause_entry": "신규 진입 중지(pause entry)", "armed": "거래 가능(armed)",
    },
    "direction": {"behind": "늦습니다", "ahead": "빠릅니다"},
    "reading": {"unknown": "알 수 없는", "implausible": "맞지 않는"},
    "halt": {
        "volatility_interruption": "변동성 완화장치(VI) 발동", "trading_halt": "거래정지", "not_eligible": "당일 거래 대상 제외",
    },
    "latch": {
        "unplanned_disconnect": "예정에 없던 접속 끊김", "repeated_errors": "반복된 주문 오류",
        "cumulative_loss": "누적 손실", "pair_loss": "페어 손실 한도", "losing_streak": "연속 손실",
        "drawdown": "당일 고점 대비 손실", "unhedged": "헤지되지 않은 보유분", "residual_stranded": "청산하지 못한 포지션",
        "reconciliation_difference": "잔고 대사 불일치", "clocks": "시각 불일치", "mixed_builds": "빌드 불일치",
    },
    "latch_step": {
        "unplanned_disconnect": "접속이 끊긴 원인을 확인하고 재접속과 대사가 끝날 때까지 기다리십시오.",
        "repeated_errors": "`arb explain`으로 거부 내역을 확인하고 원인을 해결하십시오.",
        "cumulative_loss": "손실 원인을 확인하십시오. max_daily_loss_krw를 올리려면 별도의 사유가 필요합니다.",
        "pair_loss": "`arb explain`으로 해당 페어의 손실 경위를 확인하십시오.",
        "losing_streak": "`arb explain`으로 최근 페어의 손실 원인(비용, 매도 지연, 호가 오류)을 확인하십시오.",
        "drawdown": "`arb status`로 당일 고점 이후의 손실을 확인하십시오.",
        "unhedged": "`arb status`로 보유분을 확인하고 `arb flatten`으로 매도하거나, 직접 매도한 뒤 "
        "`arb residual resolve`로 등록하십시오.",
        "residual_stranded": "포지션을 직접 매도하고 `arb residual resolve`로 등록하십시오.",
        "reconciliation_difference": "주문과 잔고를 증권사 화면과 대조하십시오.",
        "clocks": "서버의 시각을 바로잡으십시오.",
        "mixed_builds": "모든 서비스를 같은 빌드로 시작하십시오.",
    },
    "strand": {
        "attempts_spent": "정해진 청산 시도를 모두 마쳤습니다.",
        "loss_bound": "허용 손실 이내의 매수호가가 없습니다.",
        "no_venue": "현재 거래할 수 있는 시장이 없습니다.",
        "no_quote": "매도 가격을 정할 호가가 없습니다.",
        "after_hours": "두 시장 모두 당일 장이 끝났습니다.",
        "trading_state": "현재 거래 상태에서는 매도할 수 없습니다.",
        "denied": "게이트웨이가 모든 매도 시도를 거부했습니다.",
        "ambiguous": "실제 보유 수량이 확실하지 않습니다.",
        "settled": "실제 보유 수량이 다시 확실해졌습니다.",
        "fault": "이 페어를 판단하는 중 프로그램 오류가 발생했습니다.",
    },
    "book": {
        "crossed": "최우선 매수호가가 최우선 매도호가보다 높았습니다.",
        "locked": "최우선 매수호가와 최우선 매도호가가 같았습니다.",
        "unsorted": "호가 순서가 맞지 않았습니다.",
        "off_tick": "호가 단위에 맞지 않는 가격이 있었습니다.",
        "outside_band": "당일 가격 제한폭을 벗어난 가격이 있었습니다.",
        "unreadable": "가격 또는 수량을 읽을 수 없었습니다.",
    },
    "doubt": {
        "silent": "명령 유효 시간이 지났으나 게이트웨이의 응답이 없습니다.",
        "unknown": "증권사에 도달했는지 확인되지 않습니다.",
        "uncancelled": "취소를 요청했으나 주문이 종료되지 않았습니다.",
    },
    "ended": {
        "flat": "보유 수량이 없습니다.", "again": "청산을 다시 시도합니다.", "changed": "상태가 바뀌었습니다.",
        "known": "주문 결과가 확인되었습니다.", "person": "담당자가 수동 청산으로 등록했습니다.",
    },
    "outcome": {
        "flat": "정상 청산", "not_filled": "미체결", "expired": "유효 시간 경과", "stopped": "거래 중지",
        "claimed": "수동 청산",
    },
    "journal": {
        "redis": "Redis를 읽을 수 없음", "locked": "다른 프로세스가 기록 중", "disk": "파일에 쓸 수 없음",
        "fault": "내부 오류", "key": "스트림이 아닌 키",
    },
    "journal_step": {
        "redis": "`arb doctor`로 Redis를 점검하십시오.",
        "locked": "다른 notifier를 중지하십시오.",
        "disk": "디스크 공간을 확보하거나 복구하십시오. 그때까지 스트림이 모든 항목을 보관합니다.",
        "fault": "`arb logs notifier`로 로그를 확인한 뒤 notifier를 재시작하십시오.",
        "key": "다른 스트림은 계속 기록됩니다. 누가 그 키를 썼는지 확인한 뒤 이름을 바꾸거나 삭제하십시오.",
    },
}  # fmt: skip
