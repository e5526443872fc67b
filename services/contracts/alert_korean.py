"""The words of every alert in Korean. `{name:form}`: see `alert_text`.

What a broker, a file or an exception said stands as it was said, behind a colon.
"""

from collections.abc import Mapping
from typing import Final

from services.contracts.alert_codes import AlertCode as C
from services.contracts.alert_words import Words

_OPENS = "조건이 충족되면 자동으로 재개됩니다. 계속되면 `arb status`와 `arb doctor`로 확인하십시오."
_OPEN_AGAIN = "신규 페어 진입 재개"

WORDS: Final[Mapping[C, Words]] = {
    C.DEAD_LETTER: Words(
        "{service}: {stream} 메시지 처리 실패", "현재까지 {count}건, 마지막 {entry}: {problem}",
        "`arb dead list`로 내용을 확인하고 원인을 해결한 뒤 `arb dead retry`로 다시 처리하십시오. "
        "`arb ack`로 확인할 때까지 반복됩니다."),
    C.TICK_FAILING: Words(
        "{service}: 주기 처리가 계속 실패하고 있음", "오류: {problem}",
        "`arb halt`로 거래를 중지하고 로그를 보관한 다음, 원인을 해결하고 서비스를 재시작하십시오.",
        "{service}: 주기 처리 정상화", "직전 오류: {problem}"),
    C.BUS_OUTAGE: Words(
        "{service}: Redis 연결이 {gap:ms} 동안 끊김", "원인: {problem}",
        "밀린 처리는 자동으로 완료되었습니다. `arb doctor`로 Redis의 메모리, 디스크, 네트워크를 점검하십시오."),
    C.BUS_EMPTIED: Words(
        "Redis에서 {service}의 저장 데이터가 사라짐",
        "서비스는 메모리에 있는 상태로 계속합니다. 다른 서비스가 기록했으나 아직 읽지 못한 내용은 유실되었습니다.",
        "`arb halt`로 거래를 중지하고 `arb status`를 증권사 화면과 대조한 뒤 전체를 재시작하고 "
        "`arb latch clear reconciliation_difference`를 실행하십시오."),
    C.SECOND_INSTANCE: Words(
        "{service}: 두 번째 프로세스가 실행되어 제어권이 넘어감", "현재 {owner}이(가) 담당하며 {instance}은(는) 대기 중입니다.",
        "`arb status`로 실행 중인 프로세스를 확인하고 필요 없는 쪽을 종료하십시오. 담당 프로세스가 종료되면 10초 뒤 대기 중인 "
        "프로세스가 이어받습니다.",
        "{service}: 제어권을 넘긴 프로세스의 대기 종료", "담당: {owner}, 대기: {instance}"),
    C.BUS_ROLLED_BACK: Words(
        "Redis가 {service}의 마지막 기록 없이 복구됨", "유실된 내용은 메모리에서 다시 기록했습니다.",
        "원인을 확인하십시오. 계좌 대조가 끝났다고 `arb status`에 표시될 때까지 새 페어를 열지 않습니다."),
    C.STREAM_ANEW: Words(
        "{service}: {stream} 스트림이 처음부터 다시 시작됨",
        "이미 읽은 위치보다 앞에서 끝나 있어 현재 내용을 처음부터 읽습니다. 아직 읽지 못했던 이전 내용은 유실되었습니다.",
        "키를 삭제한 원인을 확인하십시오. 계좌 대조가 끝났다고 `arb status`에 표시될 때까지 새 페어를 열지 않습니다."),
    C.OUTPUT_LEFT_OUT: Words(
        "Redis가 {service}의 {stream} 기록을 받지 않음", "그 스트림에 쓸 내용만 생략하고 나머지는 계속합니다.",
        "키를 확인하십시오. 스트림이 아니거나 수동 ID로 번호가 소진된 상태입니다. 키를 삭제하고 `arb doctor`로 확인하십시오.",
        "Redis가 {stream} 기록을 다시 받음", "생략된 내용은 다시 기록하지 않습니다."),
    C.UNWRITABLE: Words(
        "{service} 중지: Redis가 기록을 받지 않음", "{problem}. 거래 중지를 요청하고 종료했습니다.",
        "증권사 화면에서 주문과 보유 수량을 대조하십시오. 키를 복구하거나 삭제하고 {service}를 다시 시작한 뒤 "
        "`arb halt --lift`를 실행하십시오."),
    C.COMMITS_AHEAD: Words(
        "다른 프로세스가 {service} 이름으로 기록 중", "이 프로세스가 하지 않은 커밋이 Redis에 있어 중지했습니다.",
        "`arb halt` 후 다른 프로세스를 종료하고 {service}를 하나만 시작해 `arb status`를 증권사와 대조하십시오."),
    C.STATE_UNREADABLE: Words(
        "Redis에 저장된 {service} 상태를 읽을 수 없음", "내용: {problem}",
        "위 내용대로 조치하십시오. {service} 실행 여부는 `arb status`에 표시됩니다. 그때까지 스트림을 정리하지 않습니다.",
        "Redis에 저장된 {service} 상태 확인됨", "모두가 읽은 항목을 다시 정리합니다."),
    C.DISCONNECTED: Words(
        "증권사 접속 끊김", "내용: {problem}",
        "자동으로 재접속 중이며 `arb status`에서 확인할 수 있습니다. 복구되면 "
        "`arb latch clear unplanned_disconnect`와 `arb arm`을 실행하십시오.",
        "증권사 접속 복구", "재접속과 잔고 대사가 완료되었습니다. 거래 잠금은 "
        "`arb latch clear unplanned_disconnect` 실행 전까지 유지됩니다."),
    C.LOGIN_FAILED: Words(
        "증권사 로그인 실패", "내용: {problem}",
        "버전 업데이트를 포함해 수동으로 한 번 로그인하고 자동 로그인을 다시 설정하십시오. "
        "결과는 `arb status`에서 확인됩니다.",
        "증권사 로그인 정상화", "게이트웨이가 로그인했습니다."),
    C.LOGIN_REFUSED: Words(
        "게이트웨이가 이 로그인을 거부함", "내용: {problem}",
        "config/gateway.toml 또는 로그인 계정을 바로잡고 게이트웨이를 재시작하십시오. `arb doctor`로 점검할 수 있습니다."),
    C.ORDER_KIND_REFUSED: Words(
        "{venue} {phase}에서 {kind} 주문 불가", "증권사 메시지: {problem}",
        "게이트웨이 재시작 전까지 다른 주문 유형을 사용합니다. 주문은 `arb explain {pair}`로 확인하십시오. "
        "hoga.toml을 수정한 뒤 게이트웨이를 재시작하십시오."),
    C.SESSION_REFUSED: Words(
        "{venue}에서 주문이 접수시간 외로 거부됨", "{phase} 증권사 메시지: {problem}",
        "해당 거래소의 다음 단계까지 신규 페어를 보류합니다. sessions.toml을 거래소 공지와 비교하고 "
        "보유 잔량은 `arb residual list`로 확인하십시오."),
    C.ORDERS_RESTRICTED: Words(
        "증권사가 모든 주문을 거부함", "SendOrder 반환값: {error}",
        "신규 진입은 보내지 않고 청산은 30초 뒤부터 간격을 늘려 재시도합니다. `arb halt`로 중지하고 계좌 비밀번호 등록과 증권사 "
        "공지를 확인하며, 급한 물량은 증권사 앱으로 매도한 뒤 게이트웨이를 재시작하십시오.",
        "증권사 주문 접수를 다시 시도함", "주문이 접수되었거나 새로 로그인했습니다. 신규 진입 여부는 `arb status`를 따릅니다."),
    C.REGISTRATION_REFUSED: Words(
        "실시간 시세 등록 거부", "화면 {screen}: SetRealReg 반환값 {error}",
        "1분마다 다시 등록을 시도하며 그때까지 해당 종목은 시세가 없습니다(`arb symbols show`). "
        "계속되면 08:58~09:15를 피해 게이트웨이를 재시작하십시오.",
        "실시간 시세 등록 완료", "화면 {screen}."),
    C.ORDER_DATA_UNREADABLE: Words(
        "증권사의 주문 데이터를 해석할 수 없음", "내용: {problem}",
        "전체 주문을 다시 조회하고 있습니다. `arb status`를 확인하고 게이트웨이 로그를 보관하십시오."),
    C.FRAMES_GARBLED: Words(
        "증권사 수신 데이터를 사용할 수 없음", "내용: {problem}",
        "해당 데이터의 종목은 시세가 지연된 것으로 보아 거래하지 않습니다. "
        "게이트웨이 로그(`arb logs gateway`)를 보관하십시오."),
    C.QUERY_UNANSWERED: Words(
        "증권사 조회 무응답", "{query}: {problem}",
        "주문은 현재 상태로 유지됩니다. 몇 분이 지나도 `arb status`에 변화가 없으면 게이트웨이를 재시작하십시오."),
    C.BANDS_UNREAD: Words(
        "당일 상·하한가를 읽을 수 없음", "내용: {problem}",
        "해당 종목(`arb symbols show`)은 신규 진입을 하지 않으며 보유분 매도는 가능합니다. 게이트웨이가 자동으로 다시 조회합니다.",
        "모든 종목의 당일 상·하한가 확인", "{problem}"),
    C.BROKER_WORD_UNKNOWN: Words(
        "증권사의 미등록 용어 수신", "목록 {list}에 없는 값: {word}",
        "게이트웨이는 이를 알고 있는 값으로 간주하지 않습니다. `arb logs`를 확인하고 증권사 개발가이드에서 의미를 찾아 "
        "services/market/broker_lists.py의 해당 목록에 추가하십시오."),
    C.GATEWAY_FAILED: Words(
        "게이트웨이 내부 처리 오류", "{what}: {problem}",
        "`arb halt`로 거래를 중지하고 게이트웨이 로그를 보관한 뒤 재시작하십시오."),
    C.RATE_REFUSED: Words(
        "주문 횟수 제한으로 주문이 거부됨",
        "{order}: {problem}. 대기 후 유효 시간이 남아 있으면 다시 전송합니다.",
        "`arb status`에서 반복되면 같은 로그인으로 주문하는 다른 프로그램이 있는지 확인하십시오."),
    C.QUERIES_SPENT: Words(
        "증권사 조회 한도 소진 임박", "{span:ms}당 조회 한도 {limit}건 중 {left}건 남았습니다.",
        "조회는 대기하며 미확인 주문 조회를 먼저 처리합니다. 계속되면 `arb status`에서 조회 원인을 확인하십시오.",
        "증권사 조회 한도 회복", "조회 한도 {limit}건 중 {left}건 남았습니다."),
    C.FEED_SILENT: Words(
        "{venue} 호가 수신 중단", "장중에 {silence:ms} 동안 호가 변동이 없어 신규 주문을 보류합니다.",
        "`arb status`에서 1분 넘게 계속되면 게이트웨이를 재시작하십시오.",
        "{venue} 호가 수신 재개", "시세가 정상적으로 수신되고 있습니다."),
    C.BOOKS_SILENT: Words(
        "{venue} 일부 종목 호가 미수신",
        "{codes}. 최대 1분 간격으로 다시 등록하며 그동안 해당 종목은 거래하지 않습니다.",
        "증권사 화면에서 거래 중인데 `arb status`에 스프레드가 없으면 게이트웨이를 재시작하십시오(08:58~09:15 제외).",
        "{venue} 전 종목 호가 수신", "해당 코드의 호가가 수신되거나 더 이상 등록 대상이 아닙니다."),
    C.EXCHANGE_TIME_APART: Words(
        "Redis 시각과 {venue} 시각이 어긋남",
        "{venue}의 최신 호가 시각이 Redis 시각보다 {apart}초 {direction:direction}(허용 {limit}초).",
        "신규 거래를 중지했습니다. Redis 서버의 시계를 표준 시각과 비교하고, 시계가 정확하면 시세 지연이므로 "
        "게이트웨이를 재시작하십시오. 이후 `arb latch clear clocks`를 실행하십시오.",
        "Redis 시각과 {venue} 시각 일치", "현재 차이는 {apart}초입니다."),
    C.MARKET_STATUS_STRANGE: Words(
        "장운영구분 {value} 수신", "이 시간대에 {reading:reading} 값이어서 반영하지 않았습니다.",
        "시각을 기록해 두고 의미가 확인되면 config/fid215.toml에 추가하십시오. 장 상태는 `arb status`에 표시됩니다."),
    C.TABLE_ENDS: Words(
        "{table}의 규정이 {through}까지만 확인됨",
        "이후 날짜는 마지막으로 알려진 규정으로 계산하고 잠정치로 표시합니다. 관찰과 모의거래는 계속되지만 "
        "실거래는 거부됩니다.",
        "이후 날짜를 공시된 규정과 대조해 모든 장비의 파일에 추가하고 확인자를 기재한 뒤 `arb limits reload`를 "
        "실행하고 게이트웨이를 다시 시작하십시오. 날짜별 점검은 `arb doctor --date`로 합니다.",
        "{table} 갱신됨", "{through}까지의 규정이 확인되었습니다."),
    C.HALT_FILE: Words(
        "게이트웨이에 HALT 파일이 있음",
        "{file}이(가) 있는 동안 취소 주문 외에는 전송하지 않습니다. 이름이 halt로 시작하면 종류와 관계없이 정지합니다.",
        "재개하려면 게이트웨이 장비에서 이를 삭제한 뒤 `arb arm`을 실행하십시오.",
        "HALT 파일 삭제됨", "거래가 비활성화되어 있습니다. 재개하려면 `arb arm`을 실행하십시오."),
    C.HALT_BY_SUPERVISOR: Words(
        "감시 프로그램이 게이트웨이의 주문 전송을 막고 있음", "사유: {problem}",
        "감시 프로그램이 HALT 파일을 자동으로 삭제합니다. 게이트웨이 상태는 `arb status`에 표시됩니다.",
        "게이트웨이 주문 전송 재개", "감시 프로그램의 HALT 파일이 삭제되었습니다."),
    C.SYMBOL_HALTED: Words(
        "{symbol}: {venue} {halt:halt}", "두 시장 모두 이 종목의 신규 페어를 보류합니다. {problem}",
        "해제되면 자동으로 재개됩니다. 진행 중인 페어가 있는지 `arb status`로 확인하십시오.",
        "{symbol}: {venue} 거래 재개", "{halt:halt} 해제."),
    C.ORDER_REJECTED: Words(
        "주문 거부: {order}", "증권사 응답: {problem}", "`arb explain {pair}` 명령으로 경위를 확인하십시오."),
    C.ORDER_UNKNOWN: Words(
        "주문 {order}의 결과가 확인되지 않음",
        "{venue} {symbol} {qty:shares} {side:side} {price:krw}. 내용: {problem}",
        "조치할 것은 없습니다. 증권사에 조회 중이며 결과는 `arb explain {pair}`에 표시됩니다.",
        "주문 {order}의 결과 확인됨", "내용: {problem}"),
    C.ORDER_AMBIGUOUS: Words(
        "주문 {order}에 해당할 수 있는 증권사 주문이 여러 건임",
        "{venue} {symbol} {qty:shares} {side:side} {price:krw}. 내용: {problem}",
        "`arb explain {pair}` 결과를 증권사 주문 화면과 대조한 뒤 확인한 내용으로 "
        "`arb residual resolve {pair}`를 실행하십시오.",
        "주문 {order}의 결과 확인됨", "내용: {problem}"),
    C.FOREIGN_ORDER_SEEN: Words(
        "계좌에 시스템 외 주문 {broker_order} 발생", "{symbol} {qty:shares} {side:side}.",
        "누구의 주문인지 확인하고 사유와 함께 `arb symbols resume {symbol}` 명령을 실행하십시오."),
    C.LOG_UNWRITTEN: Words(
        "게이트웨이가 주문 의도 기록을 쓰지 못함", "취소 주문 외에는 전송하지 않습니다({order}).",
        "게이트웨이 state_dir 디스크를 확보하거나 복구하십시오. 매도 주문도 대기합니다. 그동안 `arb halt`를 실행하십시오.",
        "게이트웨이 주문 의도 기록 복구", "주문을 다시 전송합니다."),
    C.LOG_LOST: Words(
        "열려 있던 게이트웨이 주문 의도 기록이 사라짐",
        "{problem}. 메모리에서 다시 기록했습니다: 매도와 취소는 계속하고 신규 진입은 보내지 않습니다.",
        "원인을 찾고 그 폴더를 동기화·정리 프로그램에서 제외하십시오. `arb pause` 후 미결이 없어지면 게이트웨이를 재시작하십시오: "
        "기록을 읽은 뒤 진입이 재개됩니다.",
        "게이트웨이가 주문 의도 기록을 디스크에서 읽음", "신규 진입 여부는 `arb status`를 따릅니다."),
    C.LEASE_MISFIT: Words(
        "게이트웨이 신규 진입 보류: 리스크 리스가 게이트웨이와 맞지 않음", "{lasts:ms}째 지속: {problem}.",
        "`arb limits reload`로 기준 데이터를 다시 알리고, 해소되지 않으면 게이트웨이를 재시작하십시오.",
        "리스크 리스가 다시 맞음", "신규 진입 여부는 `arb status`를 따릅니다."),
    C.QUERIES_RESTRICTED: Words(
        "증권사가 조회를 제한함", "반환값 {error}: 결과가 확인되지 않은 주문을 조회할 수 없습니다.",
        "조회가 다시 응답될 때까지 신규 진입을 보류하며 30초 뒤부터 간격을 늘려 재시도합니다(`arb status`). "
        "10분이 지나면 게이트웨이를 재시작하고 같은 로그인을 쓰는 다른 프로그램이 없는지 확인하십시오.",
        "증권사 조회 제한 해제", "신규 진입을 재개합니다."),
    C.VENUE_SHUT: Words(
        "{venue}: 시간표상 거래 중이나 휴장으로 처리되고 있음",
        "마지막 장운영구분에 따른 상태는 {phase}이며 그동안 신규 페어를 보류합니다.",
        "증권사 화면과 `arb status`를 확인하십시오. 호가가 움직이면 5분 뒤 거래 가능으로 전환되며, 원하지 않으면 `arb "
        "halt`를 실행하십시오.",
        "{venue}: 시간표대로 거래 중", "현재 상태: {phase}."),
    C.SWEEP_UNCONFIRMED: Words(
        "휴장 전 취소가 확인되지 않아 다음 세션에 체결될 수 있는 주문: {order}",
        "{venue} {symbol} {qty:shares} {side:side}. 게이트웨이가 계속 취소를 시도합니다.",
        "`arb explain {pair}`로 확인하고, {venue} 재개 시에도 남아 있으면 증권사 주문 화면에서 취소하십시오.",
        "주문 종료: {order}", "더 이상 유효하지 않습니다."),
    C.OLD_ORDERS: Words(
        "이전 거래일 주문의 종료가 확인되지 않음", "주문: {orders}",
        "해당 일자의 증권사 주문 내역과 대조한 뒤 `arb ack`로 확인 처리하십시오."),
    C.BOOKS_DIFFER: Words(
        "시스템 장부와 증권사 잔고 불일치", "차이: {problem}",
        "증권사 화면과 대조하고, 확인한 내용을 사유로 적어 "
        "`arb latch clear reconciliation_difference`를 실행하십시오.",
        "시스템 장부와 증권사 잔고 일치", "내용: {problem}"),
    C.NOTHING_ACCEPTED: Words(
        "거래 잠금은 해제되었으나 인정된 잔고 차이 없음",
        "해제 시점까지 게이트웨이가 알린 차이가 없어 지금 다시 대사합니다.",
        "조치 불필요. 차이가 새로 통보되면 증권사 화면과 대조한 뒤 `arb latch clear reconciliation_difference` 명령으로 "
        "다시 해제하십시오."),
    C.GATEWAY_DOWN: Words(
        "게이트웨이가 종료되어 재시작하는 중", "보유분 또는 매수 주문이 남은 페어: {held}건. 원인: {problem}",
        "HALT 파일이 있는 상태로 자동 복구되며 잔고 대사를 먼저 합니다. 1분 뒤 `arb status`를 확인하고, "
        "원인은 마지막 로그에서 확인하십시오.",
        "게이트웨이 복구", "로그인과 대사가 완료되었습니다."),
    C.GATEWAY_GIVEN_UP: Words(
        "게이트웨이 중단, 자동 재시작 포기", "보유분 또는 매수 주문이 남은 페어: {held}건. 원인: {problem}",
        "거래가 중지되었습니다(`arb status`). 마지막 로그에서 원인을 찾아 해결한 뒤 감시 프로그램을 다시 시작하십시오. "
        "보유 포지션은 증권사 단말에서 관리하십시오.",
        "게이트웨이 복구", "로그인과 대사가 완료되었습니다."),
    C.GATEWAY_AWAY: Words(
        "게이트웨이가 장시간 준비되지 않음", "{away:ms} 동안 준비되지 않았습니다. 상태: {stage}. {problem}",
        "그동안 매매하지 않습니다(`arb status`). Windows 장비를 확인하십시오. 포지션은 증권사 단말에서 정리할 수 있습니다.",
        "게이트웨이 복구", "로그인과 대사가 완료되었습니다."),
    C.GATEWAY_MEMORY: Words(
        "게이트웨이 메모리 사용량 과다", "현재 {used}MB를 사용하고 있습니다.",
        "열린 주문과 보유분이 없을 때, 또는 {most}MB에 이르면 즉시 재시작합니다. 상태는 `arb status`에 표시됩니다.",
        "게이트웨이 재시작 완료", "메모리가 확보되었습니다."),
    C.HALT_FILE_UNLAID: Words(
        "감시 프로그램이 HALT 파일을 만들 수 없음", "원인: {problem}",
        "그동안 게이트웨이를 시작하지 않습니다. 거래 중지는 `arb halt`로 할 수 있습니다. 디스크와 `halt_file` 폴더의 "
        "권한을 확인하십시오.",
        "HALT 파일 생성 정상화", "감시를 계속합니다."),
    C.REDIS_AWAY: Words(
        "게이트웨이 장비에서 Redis 무응답", "{away:ms} 동안 응답이 없어 신규 주문이 중지되었습니다.",
        "Redis를 시작하거나 네트워크를 복구하십시오(`arb doctor`). 열린 주문과 포지션은 증권사 단말에서 확인할 수 있습니다.",
        "Redis 응답 재개", "각 서비스가 밀린 처리를 자동으로 따라잡습니다."),
    C.WINDOW_WAITS: Words(
        "게이트웨이 화면의 창이 응답을 기다림", "창: {window} {problem}",
        "창이 닫힐 때까지 거래를 중지합니다(`arb status`). Windows 장비에서 내용을 읽고 응답하십시오.",
        "창이 닫힘", "창: {window}"),
    C.WINDOW_CLOSED: Words(
        "게이트웨이 화면의 창을 자동으로 닫음", "창: {window} {problem}",
        "조치할 것은 없습니다. 알려진 무해한 창입니다. 게이트웨이 상태는 `arb status`에 표시됩니다."),
    C.SPREAD_ANOMALY: Words(
        "{symbol}: 비정상적으로 큰 스프레드",
        "{buy_venue} 매수 · {sell_venue} 매도: 매도호가 {ask:krw}, 매수호가 {bid:krw}, 비용 차감 후 {edge_bps}bp. "
        "이 스프레드로는 거래하지 않습니다.",
        "두 호가를 증권사 화면과 비교하고, 실제 호가이면 `arb limits set sanity_ceiling_bps VALUE`로 한도를 조정하십시오.",
        "{symbol}: 스프레드 정상화", "상한 아래로 돌아왔습니다."),
    C.BOOK_REFUSED: Words(
        "{symbol}: {venue} 호가를 사용할 수 없음",
        "{limit:ms} 동안 {trouble:book} 최우선 매수호가 {bid}, 최우선 매도호가 {ask}. 예고되지 않은 단일가 매매일 수 "
        "있습니다. 정상 호가가 올 때까지 두 시장 모두에서 이 종목에 신규 진입하지 않습니다.",
        "증권사 화면과 비교하십시오. 단일가 매매는 저절로 끝납니다. 화면의 호가가 다르면 "
        "`arb symbols pause {symbol}`를 실행하고 게이트웨이 로그를 보관하십시오.",
        "{symbol}: {venue} 호가 정상화", "또는 지금 그 시장에서 이 종목이 거래되지 않습니다."),
    C.CROSS_STANDING: Words(
        "{symbol}: 가격 역전이 비정상적으로 오래 지속됨",
        "{buy_venue}에서 사서 {sell_venue}에 더 비싸게 팔 수 있는 상태가 {limit:ms} 넘게 이어졌으나 체결되지 않았습니다. "
        "한쪽 호가가 실제와 다를 수 있어 해소될 때까지 거래하지 않습니다.",
        "두 호가를 증권사 화면과 비교하십시오. 한쪽이 지연되었으면 `arb symbols pause {symbol}`, 모두 정확하면 "
        "`arb limits set max_cross_ms VALUE`를 실행하십시오.",
        "{symbol}: 가격 역전 해소", "역전이 끝났거나 체결되었습니다."),
    C.BID_FAILS: Words(
        "{symbol}: {sell_venue} 매수호가가 되풀이해서 체결되지 않음",
        "오늘 {buy_venue}에서 산 {count}건이 {sell_venue}에서 팔리지 않아 청산되었습니다. {limit:ms} 동안 이 방향으로는 "
        "진입하지 않으며, 손실이 이어질 때마다 그 시간이 두 배가 됩니다.",
        "`arb explain`으로 손실을 확인하고 호가를 증권사 화면과 비교하십시오. 실제와 다르면 `arb symbols pause {symbol}`을 "
        "실행하십시오."),
    C.LATCHED: Words(
        "거래 잠금: {latch:latch}", "사유: {problem}\n거래 상태: {state:state}.",
        "{latch:latch_step} 이후 사유와 함께 `arb latch clear {latch}`, `arb arm`을 차례로 실행하십시오.",
        "거래 잠금 해제: {latch:latch}", "{by}: {reason}"),
    C.STATE_CHANGED: Words(
        "거래 상태 변경: {new:state}", "이전 상태: {old:state}. {by}: {reason}",
        "조치할 것은 없습니다. 현재 상태는 `arb status`에 표시됩니다."),
    C.STATE_LOWERED: Words(
        "거래 상태 하향: {new:state}", "이전 상태: {old:state}. {by}: {reason}",
        "`arb status`로 진행 중인 페어를 확인하십시오. 정지(halt)는 `arb halt --lift`로 해제하고, 재개하려면 "
        "`arb arm`을 실행하십시오."),
    C.SYMBOL_PAUSED: Words(
        "{symbol} 거래 일시 중지", "{by}: {reason}", "재개하려면 `arb symbols resume {symbol}` 명령을 실행하십시오."),
    C.SYMBOL_RESUMED: Words(
        "{symbol} 거래 재개", "{by}: {reason}", "조치할 것은 없습니다. 현황은 `arb symbols show`에 표시됩니다."),
    C.EXPOSURE_OVER: Words(
        "익스포저 한도 초과",
        "진행 중인 페어의 최대 예상 익스포저가 {worst:krw}으로 한도 {limit:krw}을 넘었습니다.",
        "한도 아래로 내려갈 때까지 신규 페어를 승인하지 않습니다. `arb reduce`로 보유분을 정리할 수 있습니다.",
        "익스포저 한도 이내로 복귀", "최대 예상 익스포저 {worst:krw}, 한도 {limit:krw}."),
    C.SYMBOL_REPEATED: Words(
        "{symbol}: 과도한 반복 거래로 일시 중지", "사유: {problem}. 다른 종목은 계속 거래합니다.",
        "`arb explain`으로 페어별 손익이 정상인지 확인하고, 사유와 함께 `arb symbols resume {symbol}` 명령을 실행하십시오.",
        "{symbol}: 거래 재개 가능", "{by}: {reason}"),
    C.ORDERS_SPENT: Words(
        "당일 주문 한도 소진", "오늘 주문 {count}건을 전송했으며 한도는 {limit}건입니다.",
        "오늘은 신규 페어를 시작하지 않고 보유분만 매도합니다. 사용 내역은 `arb status`로 확인하십시오.",
        "당일 주문 한도 여유 회복", "오늘 주문 {count}건을 전송했으며 한도는 {limit}건입니다."),
    C.FOREIGN_ORDER: Words(
        "{symbol}: 시스템 외 주문 발생",
        "주문 {broker_order}: {venue} {qty:shares} {side:side}, 체결 {filled}주. {symbol} 거래를 일시 중지했습니다.",
        "누구의 주문인지 확인하고 사유와 함께 `arb symbols resume {symbol}` 명령을 실행하십시오.",
        "{symbol}: 시스템 외 주문 확인 완료", "{by}: {reason}"),
    C.API_REJECTED: Words(
        "증권사 주문 거부: {error}",
        "{problem} ({venue} {symbol} {qty:shares} {side:side}, 주문 {order})",
        "`arb explain {pair}` 명령으로 경위를 확인하십시오."),
    C.REFERENCE_REFUSED: Words(
        "기준 데이터를 적용할 수 없음", "{problem}\n기존 데이터를 그대로 사용합니다.",
        "위에 표시된 행을 수정하고 `arb limits reload`를 실행하십시오.",
        "기준 데이터 정상화", "파일을 문제없이 읽었습니다."),
    C.REFERENCE_ABSENT: Words(
        "기준 데이터를 적용할 수 없음", "{problem}\n적용 중이던 데이터가 없어 신규 페어를 시작하지 않습니다.",
        "위에 표시된 행을 수정하고 `arb limits reload`를 실행하십시오.",
        "기준 데이터 정상화", "파일을 문제없이 읽었습니다."),
    C.SYMBOL_KEPT: Words(
        "{symbol} 종목이 보유 중에 symbol_map.csv에서 빠짐",
        "비활성 상태로 유지합니다: 보유분은 매도하고 신규 매수는 하지 않습니다.",
        "의도한 것이면 조치가 필요 없습니다(`arb symbols show`). 아니면 행을 되돌리고 `arb limits reload`를 실행하십시오.",
        "{symbol} 매도 목적 유지 종료", "모두 매도했거나 행이 복구되었습니다."),
    C.NOT_ELIGIBLE: Words(
        "오늘 NXT 거래 불가 종목 {count}개", "종목: {symbols}",
        "당일 거래에서 자동 제외됩니다(`arb symbols show`). 계속되면 symbol_map.csv에서 삭제하십시오."),
    C.LIMITS_DIFFER: Words(
        "risk 시작 시 limits.toml의 한도 {count}건이 이전과 다름", "{differences}",
        "의도한 변경인지 확인하십시오. 적용 값은 `arb limits show`로 보고 `arb limits set`으로 변경합니다."),
    C.OVERRIDES_DROPPED: Words(
        "limits.toml 변경으로 수동 한도가 해제됨", "해제된 한도: {names}",
        "계속 필요하면 `arb limits set`으로 다시 설정하십시오."),
    C.GATE_REFERENCE: Words(
        "신규 페어 보류: 기준 데이터 없음", "사유: {problem}",
        "파일을 수정하고 `arb limits reload`를 실행하십시오.",
        _OPEN_AGAIN, "기준 데이터가 적용되었습니다."),
    C.GATE_DAY: Words(
        "신규 페어 보류: 당일 거래 정보 미수신", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "당일 거래 정보를 수신했습니다."),
    C.GATE_CONNECTION: Words(
        "신규 페어 보류: 증권사 미접속", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "증권사 접속이 준비되었습니다."),
    C.GATE_RECONCILIATION: Words(
        "신규 페어 보류: 증권사 잔고 대사 전", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "주문과 잔고의 대사가 완료되었습니다."),
    C.GATE_ACCOUNT: Words(
        "신규 페어 보류: 계좌 정보 미수신", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "계좌 정보를 수신했습니다."),
    C.GATE_HEARTBEAT: Words(
        "신규 페어 보류: 서비스 응답 없음", "사유: {problem}",
        "`arb status`에서 돌아오지 않으면 해당 서비스를 재시작하십시오.",
        _OPEN_AGAIN, "모든 서비스가 응답합니다."),
    C.GATE_BUILDS: Words(
        "신규 페어 보류: 빌드 불일치", "사유: {problem}",
        "`arb status`에서 서비스별 빌드를 확인하고 모두 같은 빌드로 재시작하십시오.",
        _OPEN_AGAIN, "모든 서비스의 빌드가 같습니다."),
    C.GATE_IN_FORCE: Words(
        "신규 페어 보류: 서비스 간 기준 데이터 불일치", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "모든 서비스가 같은 기준 데이터를 사용합니다."),
    C.GATE_CLOCK: Words(
        "신규 페어 보류: 시각을 신뢰할 수 없음", "사유: {problem}",
        "조건이 충족되면 자동으로 재개됩니다. 계속되면 해당 서버에서 `arb doctor`를 실행하십시오.",
        _OPEN_AGAIN, "모든 서비스의 시각이 정상입니다."),
    C.GATE_JOURNAL: Words(
        "신규 페어 보류: 저널 기록 지연", "사유: {problem}",
        "notifier 서버의 디스크와 부하를 점검하십시오. 지연 시간은 `arb status`에 표시됩니다.",
        _OPEN_AGAIN, "저널 기록이 정상화되었습니다."),
    C.GATE_STREAMS: Words(
        "신규 페어 보류: 스트림 적체", "사유: {problem}",
        "`arb status`로 처리가 밀린 서비스를 확인하고 재시작하십시오.",
        _OPEN_AGAIN, "밀린 처리가 모두 끝났습니다."),
    C.GATE_WINDOW: Words(
        "신규 페어 보류: 진입 시간 외", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "진입 가능 시간입니다."),
    C.GATE_FEED: Words(
        "신규 페어 보류: 시세 수신 중단", "사유: {problem}", _OPENS,
        _OPEN_AGAIN, "두 시장의 시세가 정상 수신됩니다."),
    C.RESIDUAL: Words(
        "{symbol}: 미청산 잔량 {qty:shares}",
        "페어 {pair}의 매수분({paid:krw})이 제때 매도되지 않았습니다. {problem} 더 유리한 매수호가로 매도하는 중입니다.",
        "지금 조치할 것은 없습니다. 청산 불가 알림이 이어지는지 `arb status`로 확인하십시오.",
        "{symbol}: 잔량 매도 완료", "페어 {pair}의 보유 수량이 없습니다."),
    C.RESIDUAL_BLOCKED: Words(
        "{symbol}: 미청산 잔량 {qty:shares}, 매도 불가 상태",
        "페어 {pair}의 매수분({paid:krw})이 제때 매도되지 않았습니다. {problem} 매도하지 않는 이유: {refusal}",
        "즉시 매도하려면 `arb flatten {symbol}` 명령을, 거래를 재개하려면 `arb arm`을 실행하십시오.",
        "{symbol}: 잔량 매도 완료", "페어 {pair}의 보유 수량이 없습니다."),
    C.STRANDED: Words(
        "{symbol}: 청산하지 못한 포지션 {qty:shares}", "페어 {pair}, 매수 금액 {paid:krw}. {why:strand} {problem}",
        "한도 안에서 자동으로 다시 매도합니다. 시점은 `arb residual list`에서 확인하십시오. "
        "지금 다시 시도하려면 `arb flatten {symbol}`을, 직접 매도한 뒤에는 `arb residual resolve {pair}`를 실행하십시오. "
        "이후 `arb latch clear residual_stranded`, `arb arm`을 차례로 실행하십시오.",
        "{symbol}: 청산하지 못한 포지션 해소", "페어 {pair}: {ended:ended}"),
    C.STRANDED_UNCERTAIN: Words(
        "{symbol}: 청산하지 못한 포지션 {qty:shares}", "페어 {pair}, 매수 금액 {paid:krw}. {why:strand} {problem}",
        "증권사 주문 화면과 대조하고, 보유 수량이 있으면 직접 매도하십시오. "
        "그다음 `arb residual resolve {pair} --amount KRW`(보유 수량이 없었으면 0), "
        "`arb latch clear residual_stranded`, `arb arm`을 차례로 실행하십시오.",
        "{symbol}: 청산하지 못한 포지션 해소", "페어 {pair}: {ended:ended}"),
    C.CLAIM_REFUSED: Words(
        "페어 {pair}의 수동 청산 등록이 거부됨", "{by}님이 {qty:shares}, {amount:krw}으로 등록했습니다. 사유: {problem}",
        "`arb residual list`를 확인하고 표시된 값으로 다시 등록하십시오."),
    C.ORDER_IN_DOUBT: Words(
        "{symbol}: {qty:shares} {side:side} 주문의 결과 미확인",
        "{venue} 주문 {order}: {doubt:doubt} 확인될 때까지 이 페어의 추가 주문을 중지합니다.",
        "게이트웨이가 증권사에 자동으로 조회합니다(`arb status`). 계속되면 증권사 주문 화면을 `arb explain {pair}` 결과와 대조하십시오.",
        "{symbol}: 주문 결과 확인 완료", "주문 {order}: {ended:ended}"),
    C.STRAY_FILL: Words(
        "{symbol}: 진행 중인 페어에 속하지 않는 {side:side} 체결 {qty:shares}",
        "{venue} 주문 {order}: {problem}. 이에 대한 반대 주문은 하지 않습니다.",
        "{symbol} 잔고를 증권사 화면과 대조해 직접 정리한 뒤 `arb ack`로 확인 처리하십시오."),
    C.PAIR_RECOVERED: Words(
        "{symbol}: 주문 기록으로 페어 복구",
        "{venue} 주문 {order}: 게이트웨이에는 기록이 있으나 페어 정보가 유실되었습니다. 보유분은 더 유리한 매수호가로 매도합니다.",
        "Redis 데이터가 유실된 원인을 확인하십시오. 경위는 `arb explain {pair}`에 표시됩니다."),
    C.PAIR_REOPENED: Words(
        "{symbol}: 종료된 페어가 다시 열림",
        "{venue} 주문 {order}의 체결({filled}/{qty:shares})이 페어 종료 후에 통보되었습니다. "
        "보유분은 더 유리한 매수호가로 매도합니다.",
        "통보가 늦어진 원인을 확인하십시오. 경위는 `arb explain {pair}`에 표시됩니다."),
    C.PAIR_CLOSED: Words(
        "{symbol}: 페어 종료, 손익 {pnl:pnl}",
        "페어 {pair}: 매수 {bought:shares} {bought_krw:krw}, 매도 {sold:shares} {sold_krw:krw}, 클립 {clips}회, "
        "수수료 {commission:krw}, 세금 {tax:krw}, 중립 복귀 최장 {neutral:ms}, 최대 잔량 {residual:shares}. "
        "종료 사유: {outcome:outcome}",
        "조치할 것은 없습니다. 경위는 `arb explain {pair}`에 표시됩니다."),
    C.JOURNAL_STOPPED: Words(
        "저널 기록 중단: {failure:journal}", "내용: {problem}",
        "{failure:journal_step} 재개 여부는 `arb status`에 표시됩니다.",
        "저널 기록 재개", "누락된 부분을 스트림에서 다시 읽고 있습니다."),
    C.JOURNAL_HOLE: Words(
        "{stream} 저널에 누락 구간 발생",
        "현재까지 {count}건, 마지막 구간은 {after} 이후 {before} 이전입니다. 해당 항목은 기록되기 전에 삭제되었습니다.",
        "notifier가 중지되어 있었다면 조치할 것이 없습니다. 아니면 `arb logs notifier`로 지연 원인을 확인하십시오.",
        "{stream} 저널에 10분간 새 누락 없음",
        "모두 {count}건, 마지막 구간은 {after} 이후 {before} 이전입니다. 누락된 항목은 복구되지 않습니다."),
    C.JOURNAL_RESTARTED: Words(
        "저널에 기록된 {stream} 항목이 Redis에 없음",
        "현재까지 {count}회. {after}까지 기록된 뒤 {before}부터 다시 시작되었습니다. 그 사이의 항목은 알 수 없으며, Redis에 남아 "
        "있는 항목을 기록하고 있습니다.",
        "Redis가 이전 상태로 복원되었는지, 시계가 뒤로 조정되었는지 `arb doctor`로 확인하십시오.",
        "10분간 다시 시작된 스트림 없음", "모두 {count}회, 마지막은 {stream}입니다."),
    C.JOURNAL_TAKEN: Words(
        "저널 파일이 이동, 삭제 또는 변경됨",
        "현재까지 {count}건, 마지막은 {path}입니다. 해당 스트림의 최신 파일이면 Redis에 남아 있는 내용을 다시 기록합니다.",
        "누가 변경했는지 확인하십시오. 지난 날짜의 폴더만 옮길 수 있습니다. 나머지는 `arb journal verify`로 점검합니다.",
        "10분간 변경된 저널 파일 없음", "모두 {count}건, 마지막은 {path}입니다."),
    C.JOURNAL_DISK: Words(
        "저널 디스크 공간 부족", "{folder}의 남은 공간이 {least}MB 미만입니다.",
        "지난 거래일 폴더를 다른 저장소로 옮기십시오. 남은 공간은 `arb doctor`에 표시됩니다.",
        "저널 디스크 공간 확보", "남은 공간이 {least}MB를 넘었습니다."),
    C.STREAM_LONG: Words(
        "스트림 {stream}의 항목이 {length}개로 증가",
        "가장 느린 구독자인 {reader}이(가) 읽은 위치까지만 정리됩니다.",
        "`arb status`로 {reader}의 실행과 지연을 확인하십시오. {pause}개가 되면 신규 페어를 보류합니다. 영구히 중단한 서비스는 "
        "config/notifier.toml의 `retired_readers`에 적으십시오.",
        "스트림 {stream} 길이 정상화", "구독자가 모두 따라잡았습니다."),
    C.JOB_REFUSED: Words(
        "워커가 시스템의 것이 아닌 작업을 거부함", "현재까지 {count}건, 마지막: {problem}",
        "이 Redis에 다른 누군가가 쓰고 있습니다. 비밀번호와 방화벽으로 차단한 뒤 `arb doctor`로 점검하십시오."),
    C.SLACK_TEST: Words(
        "Slack 전달 경로 시험", "{by}님이 요청한 시험이며 이상은 없습니다.",
        "조치할 것은 없습니다. 이 메시지가 보이면 시험은 성공입니다(`arb slack test --whole`).",
        "Slack 전달 경로 시험", "시험이 끝났습니다."),
    C.SYSTEM_ADOPTED: Words(
        "Redis가 {after} 시스템으로 이전됨", "이전 소속: {before}. 요청자: {by}, 사유: {why}",
        "`arb system show`와 `arb status`로 실행 중인 프로세스가 모두 {after} 소속인지 확인하십시오."),
}  # fmt: skip
