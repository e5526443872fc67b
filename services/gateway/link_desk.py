"""The connection: login, what is read and registered after it, and what a loss means.

Ready means: logged in to the server and account that the settings name, stream and broker compared.
A loss in the hours of the broker's nightly cut or on a closed day is planned and wakes nobody (design, 6).
"""

from collections.abc import Mapping
from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.orders import OrderUnknown
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    HaltKind,
)
from services.contracts.terms import GatewayMode, Severity, Symbol, Venue
from services.gateway import restrictions, truth
from services.gateway.comparison import compare
from services.gateway.effects import (
    EXIT_PLANNED_CUT,
    EXIT_RECONNECT,
    EXIT_REFUSED,
    Connect,
    Exit,
    ReadLogin,
    ReadMaster,
    Register,
)
from services.gateway.facts import Connected, LoggedIn, MasterRead
from services.gateway.feed_desk import BLANK_NS, NXT_LIST, SESSION_FIDS, subscribe, symbols_of
from services.gateway.feed_desk import held_symbols as held_symbols
from services.gateway.order_kinds import sessions_without_codes
from services.gateway.order_table import Stage
from services.gateway.query_desk import Round, RoundKind
from services.gateway.recovery import by_this_clock, of_account
from services.gateway.replies import bands, interruptions, limits_of_day
from services.gateway.screens import SESSION_SCREEN
from services.gateway.settings import GatewaySettings
from services.gateway.turn import Turn
from services.gateway.words import note_strange
from services.market.broker_lists import SERVERS
from services.market.dates import time_of_day_ns

_FIRST_RETRY_NS = NS_PER_S // 5
UNBANDED_NS = 60 * NS_PER_S
"""Limits that two answers left out are asked for this often."""
READ_AT_LATEST_NS = 5 * NS_PER_S
"""However busy it is, so long after the last time the control is asked again."""
HALTED_AT_ONCE = 20
"""Halted symbols asked for every second; more only where the whole market stands still."""


def change(turn: Turn, state: ConnectionState, detail: str = "", *, planned: bool = False) -> None:
    link = turn.state.link
    turn.set(link=replace(link, state=state, since_ns=turn.now_ns, planned=planned))
    turn.say(
        ConnectionChanged(
            state=state, connection_epoch=turn.state.connection_epoch, planned=planned, detail=detail
        )
    )


def begin(turn: Turn) -> None:
    """Log in, or in the broker's night wait for its end and say so."""
    if not in_nightly_cut(turn):
        connect(turn)
        return
    until = turn.state.settings.nightly_cut_to.strftime("%H:%M")
    change(turn, ConnectionState.CLOSED, f"the broker's night, until {until}", planned=True)
    turn.set(link=replace(turn.state.link, connect_at_ns=turn.now_ns))


def connect(turn: Turn) -> None:
    link = turn.state.link
    turn.set(link=replace(link, login_tries=link.login_tries + 1, connect_at_ns=0))
    change(turn, ConnectionState.CONNECTING)
    turn.do(Connect())


def connected(turn: Turn, fact: Connected) -> None:
    """OnEventConnect; it may come twice (Kiwoom sheet 1.2), and when we have given the login up already."""
    state = turn.state.link.state
    if fact.code == 0:
        if state is ConnectionState.DISCONNECTED and turn.state.link.login_tries:
            turn.set(link=replace(turn.state.link, connect_at_ns=0))
            change(turn, ConnectionState.CONNECTING, "a late login")
        if turn.state.link.state is ConnectionState.CONNECTING:
            turn.do(ReadLogin())
    elif state is ConnectionState.CONNECTING:
        _login_failed(turn, f"login failed with {fact.code}")
    elif state in (ConnectionState.SYNCHRONISING, ConnectionState.READY):
        lost(turn, f"the control says {fact.code}")


def _login_failed(turn: Turn, detail: str) -> None:
    change(turn, ConnectionState.DISCONNECTED, detail, planned=planned_now(turn))
    tries = turn.state.link.login_tries
    wait_ns = _FIRST_RETRY_NS if tries <= 1 else turn.state.settings.login_retry_s * NS_PER_S
    turn.set(link=replace(turn.state.link, connect_at_ns=turn.now_ns + wait_ns))
    if tries >= 3 and not turn.state.link.planned:
        turn.alert("login", AlertCode.LOGIN_FAILED, Severity.CRITICAL, {"problem": detail})


def lost(turn: Turn, detail: str) -> None:
    """The connection is gone: what was on its way is unknown, books are of an old epoch."""
    planned = planned_now(turn)
    change(turn, ConnectionState.CLOSED if planned else ConnectionState.DISCONNECTED, detail, planned=planned)
    for record in list(turn.state.orders.working.values()):
        if record.stage is Stage.SENT:
            truth.become_unknown(turn, record.order_id, "the connection was lost before an answer")
    turn.set(
        desk=turn.state.desk.forget(),
        registered=(),
        session=turn.state.session.connected_anew(),
        link=replace(
            turn.state.link,
            reconciled=False,
            watched=False,
            connect_at_ns=turn.now_ns + _FIRST_RETRY_NS,
            login_tries=0,
        ),
    )
    if not planned:
        turn.alert("disconnect", AlertCode.DISCONNECTED, Severity.CRITICAL, {"problem": detail})
    if turn.state.settings.reconnect == "exit":
        turn.do(Exit(EXIT_PLANNED_CUT if planned else EXIT_RECONNECT, detail))


def say_restored(turn: Turn) -> None:
    """Take back what was told of the connection; whoever was told nothing hears nothing."""
    for alert_id, code in (("disconnect", AlertCode.DISCONNECTED), ("login", AlertCode.LOGIN_FAILED)):
        turn.alert(alert_id, code, Severity.INFO, {}, resolved=True)


def planned_now(turn: Turn) -> bool:
    """Whether a loss now wakes nobody: in the broker's night, and on days on which no exchange opens, when it
    maintains its servers at any hour (Kiwoom sheet 5.3)."""
    return in_nightly_cut(turn) or turn.state.session.closed_day


def in_nightly_cut(turn: Turn) -> bool:
    settings, market_ns = turn.state.settings, turn.state.session.market_ns
    return time_of_day_ns(settings.nightly_cut_from) <= market_ns < time_of_day_ns(settings.nightly_cut_to)


def logged_in(turn: Turn, fact: LoggedIn) -> None:
    """Hold the login against the settings; then read, register and compare."""
    if turn.state.link.state is not ConnectionState.CONNECTING:
        return
    if not fact.accounts:
        # A control that lost its line between login and question answers blank: no word about the server.
        _login_failed(turn, "the control names no account")
        return
    account, problem = account_of(turn.state.settings, fact)
    if problem:
        turn.alert("refused", AlertCode.LOGIN_REFUSED, Severity.CRITICAL, {"problem": problem})
        change(turn, ConnectionState.DISCONNECTED, problem)
        turn.do(Exit(EXIT_REFUSED, problem))
        return
    _settle_account(turn, account)
    turn.set(
        connection_epoch=next_epoch(turn.state.connection_epoch, turn.now_ns),
        link=replace(
            turn.state.link,
            account=account,
            reconciled=False,
            watched=False,
            login_tries=0,
        ),
        desk=turn.state.desk.forget(),
        facts=replace(turn.state.facts, read=frozenset()),
        registered=(),
    )
    restrictions.logged_in_anew(turn)
    change(turn, ConnectionState.SYNCHRONISING)
    for message in turn.state.halts.everything():
        turn.say(message)
    turn.do(Register(SESSION_SCREEN, (), SESSION_FIDS))
    compare(turn)
    turn.set(desk=turn.state.desk.want(RoundKind.WATCH, interruptions()))
    read_symbols(turn)


def _settle_account(turn: Turn, account: str) -> None:
    """Order truth of another account is put aside: its orders are answered for, and are never sent again."""
    state, before = turn.state, turn.state.orders
    if state.account not in ("", account):
        turn.state = by_this_clock(of_account(state, account, state.session.trading_date), turn.now_ns)
        put_aside = {**before.done, **before.working, **state.earlier}
        turn.set(earlier={**put_aside, **turn.state.earlier})
        for record in before.working.values():
            if record.is_order:
                reason = f"it was sent in account {state.account}, and the login is of {account}"
                turn.say(OrderUnknown(facts=record.facts, reason=reason), record.facts.pair_id)
        for record in turn.state.orders.working.values():
            truth.retell(turn, record)
    turn.set(account=account, logs=((), ()))


def next_epoch(before: int, now_ns: int) -> int:
    """Return the number of a new connection: Redis time in seconds, and always more than `before`.

    Readers refuse books of a lower number than they know. A count would begin anew where Redis was emptied
    and the gateway restarted, while its readers remember; time goes on.
    """
    return max(before + 1, now_ns // NS_PER_S)


def account_of(settings: GatewaySettings, fact: LoggedIn) -> tuple[str, str]:
    """Return (account, "") or ("", why this login must not be used)."""
    simulated = SERVERS.get(fact.server_gubun) == "simulated"
    if settings.mode is GatewayMode.SIMULATED and not simulated:
        return "", "mode is simulated, and this is the real server"
    if settings.mode is GatewayMode.LIVE and simulated:
        return "", "mode is live, and this is the simulated server"
    if settings.account and settings.account not in fact.accounts:
        return "", f"account {settings.account} is not among the accounts of this login"
    if not settings.account and len(fact.accounts) != 1:
        return "", f"the login has {len(fact.accounts)} accounts; name one as account in gateway.toml"
    account = settings.account or fact.accounts[0]
    if settings.mode is GatewayMode.LIVE and settings.live_account != account:
        return "", f"live_account is not the account in use, {account}"
    return account, ""


# -- symbols ------------------------------------------------------------------------------------


def read_symbols(turn: Turn) -> None:
    """Ask the control and the broker for what is not yet known of the symbols in force."""
    unread = tuple(s for s in symbols_of(turn) if s not in turn.state.facts.read)
    connected_ = turn.state.link.state in (ConnectionState.SYNCHRONISING, ConnectionState.READY)
    if unread and connected_:
        turn.do(ReadMaster(unread))


def read_again(turn: Turn) -> None:
    """Ask the control once more, some symbols a second, so that each has its turn in `facts_every_s`.

    The list of NXT can shrink and a symbol can be halted in the day (market rules 4.1, 4.4). The control
    answers from its own memory: no query is spent. Orders have the thread first. What is halted is asked
    for each time, so that its sells go on soon after the halt.
    """
    state, rhythm = turn.state, turn.state.rhythm
    since_ns = turn.now_ns - rhythm.facts_ns
    due = since_ns >= NS_PER_S and (_calm(turn) or since_ns >= READ_AT_LATEST_NS)
    symbols = [symbol for symbol in symbols_of(turn) if symbol in state.facts.read]
    if state.link.state is not ConnectionState.READY or not (due and symbols):
        return
    count = -(-len(symbols) // state.settings.facts_every_s)
    begin = rhythm.facts_turn % len(symbols)
    halted = [s for s in symbols if HaltKind.TRADING_HALT in state.halts.halted(s, Venue.KRX)]
    blank = [s for s in symbols if s in state.facts.blank or NXT_LIST in state.facts.blank]
    turned = [*symbols[begin:], *symbols[:begin]][:count]
    turn.set(rhythm=replace(rhythm, facts_ns=turn.now_ns, facts_turn=begin + count))
    asked = (*turned, *halted[:HALTED_AT_ONCE], *blank[:HALTED_AT_ONCE])
    turn.do(ReadMaster(tuple(dict.fromkeys(asked))))


def _without_blanks(turn: Turn, fact: MasterRead) -> MasterRead:
    """Put what was known in the place of what the control leaves blank, until that counts.

    A blank counts when it has lasted `BLANK_NS` of a ready session. Of a symbol that was never read before
    nothing is known: it stands still until then.
    """
    facts, ready = turn.state.facts, turn.state.link.state is ConnectionState.READY
    asked = {*fact.symbols, NXT_LIST}
    missing = fact.states_blank | ({NXT_LIST} if fact.nxt_list_blank else frozenset())
    since = {key: facts.blank.get(key) or (turn.now_ns if ready else 0) for key in missing}
    blank = {**{key: ns for key, ns in facts.blank.items() if key not in asked}, **since}
    if blank != facts.blank:
        turn.set(facts=replace(facts, blank=blank))
        _tell_blank(turn, facts.blank, blank)
    waits = {key for key, ns in since.items() if not ns or turn.now_ns - ns < BLANK_NS}
    eligible, halted = fact.nxt_eligible, set(fact.halted)
    if NXT_LIST in waits:
        eligible = facts.nxt_eligible & fact.symbols
    for symbol in waits - {NXT_LIST}:
        known = HaltKind.TRADING_HALT in turn.state.halts.halted(symbol, Venue.KRX)
        if known or symbol not in facts.read:
            halted.add(symbol)
    return replace(fact, nxt_eligible=eligible, halted=frozenset(halted))


def _tell_blank(turn: Turn, before: Mapping[Symbol, int], after: Mapping[Symbol, int]) -> None:
    was, now = ({key for key, ns in each.items() if ns} for each in (before, after))
    if bool(was) is bool(now):
        return
    names = ", ".join(symbol or "the list of NXT" for symbol in sorted(now or was))
    turn.alert(
        "blank", AlertCode.QUERY_UNANSWERED, Severity.WARNING,
        {"query": "the control's master data", "problem": f"{names} blank"}, resolved=not now,
    )  # fmt: skip


def _calm(turn: Turn) -> bool:
    """Whether nothing is about to be sent or answered. A cancel may wait long for its order's number."""
    waits = any(isinstance(waiting.command, PlaceOrder) for waiting in turn.state.queue)
    return not waits and all(r.stage is not Stage.SENT for r in turn.state.orders.working.values())


def master_read(turn: Turn, fact: MasterRead) -> None:
    """Publish what is news. Limits are asked for when a symbol is first read, and until they are known."""
    note_strange(turn, *fact.strange)
    fact = _without_blanks(turn, fact)
    before = turn.state.facts
    after = replace(
        before,
        nxt_eligible=(before.nxt_eligible - fact.symbols) | fact.nxt_eligible,
        warnings=(before.warnings - fact.symbols) | fact.warnings,
        funds=before.funds
        if fact.funds is None
        else ((before.funds or frozenset()) - fact.symbols) | fact.funds,
        read=before.read | fact.symbols,
    )
    for symbol in sorted(fact.symbols):
        for venue in Venue:
            _halt(turn, symbol, venue, HaltKind.TRADING_HALT, symbol in fact.halted)
        _halt(turn, symbol, Venue.NXT, HaltKind.NOT_ELIGIBLE, symbol not in fact.nxt_eligible)
    if after == before:
        return
    turn.set(facts=after)
    publish_facts(turn)
    if after.read != before.read:
        _want_limits(turn)
    subscribe(turn)


def _want_limits(turn: Turn) -> None:
    unbanded = [symbol for symbol in symbols_of(turn) if symbol not in turn.state.facts.bands]
    connected_ = turn.state.link.state in (ConnectionState.SYNCHRONISING, ConnectionState.READY)
    if unbanded and connected_:
        turn.set(desk=turn.state.desk.want(RoundKind.DAY, limits_of_day(unbanded)))


def limits_read(turn: Turn, round_: Round) -> None:
    """Take in the day's limits, unless the day has changed on the way."""
    if not limits_hold(turn, round_.begun_ns):
        _want_limits(turn)
        return
    facts = turn.state.facts
    read, unread = bands([row for reply in round_.replies for row in reply.rows])
    since_ns = facts.limits_ns if facts.bands else round_.begun_ns
    known = {**facts.bands, **read}
    missing = frozenset(symbol for symbol in symbols_of(turn) if symbol not in known)
    looks = facts.unbanded_looks + 1 if missing == facts.unbanded else 1
    turn.set(
        facts=replace(
            facts, bands=known, limits_ns=since_ns, unbanded=missing, unbanded_ns=round_.begun_ns,
            unbanded_looks=looks if missing else 0,
        )
    )  # fmt: skip
    _tell_unbanded(turn, facts.unbanded, unread)
    publish_facts(turn)


def _tell_unbanded(turn: Turn, before: frozenset[Symbol], unread: list[str]) -> None:
    missing = sorted(turn.state.facts.unbanded)
    if missing or unread:
        problem = "; ".join(unread) or f"the broker gives none for {', '.join(missing)}"
        turn.alert("bands", AlertCode.BANDS_UNREAD, Severity.WARNING, {"problem": problem})
    elif before:
        problem = f"it was {', '.join(sorted(before))}"
        turn.alert("bands", AlertCode.BANDS_UNREAD, Severity.INFO, {"problem": problem}, resolved=True)


def renew_limits(turn: Turn) -> None:
    """Forget limits that hold no more, and ask for those of the day, again where an answer had a blank."""
    facts = turn.state.facts
    wait_ns = BLANK_NS if facts.unbanded_looks == 1 else UNBANDED_NS
    if facts.unbanded and turn.now_ns - facts.unbanded_ns > wait_ns and turn.state.desk.idle:
        _want_limits(turn)
    if facts.bands and not limits_hold(turn, facts.limits_ns):
        turn.set(facts=replace(facts, bands={}))
        publish_facts(turn)
        _want_limits(turn)


def limits_hold(turn: Turn, asked_ns: int) -> bool:
    """Whether limits asked for at `asked_ns` are those of today: the broker has those of a date from the end
    of its night on (new master data, Kiwoom sheet 5.3), and until then those of the date before."""
    clock, ends_ns = turn.state.clock, time_of_day_ns(turn.state.settings.nightly_cut_to)
    if clock.trading_date_at(asked_ns) != clock.trading_date_at(turn.now_ns):
        return False
    return bool(clock.market_ns(asked_ns) >= ends_ns or clock.market_ns(turn.now_ns) < ends_ns)


def _halt(turn: Turn, symbol: Symbol, venue: Venue, kind: HaltKind, halted: bool) -> None:
    board, news = turn.state.halts.set(symbol, venue, kind, halted)
    turn.set(halts=board)
    for message in news:
        turn.say(message)


def publish_facts(turn: Turn) -> None:
    facts = turn.state.facts
    if not facts.read:
        return
    turn.say(
        DayFactsPublished(
            trading_date=turn.state.session.trading_date, nxt_eligible=tuple(sorted(facts.nxt_eligible)),
            order_warnings=tuple(sorted(facts.warnings)), bands=dict(facts.bands),
            funds=None if facts.funds is None else tuple(sorted(facts.funds)),
            sessions_without_codes=sessions_without_codes(turn),
        )
    )  # fmt: skip


# -- trouble ------------------------------------------------------------------------------------------


def unusable(turn: Turn, what: str) -> None:
    turn.alert("unusable", AlertCode.ORDER_DATA_UNREADABLE, Severity.CRITICAL, {"problem": what})
