"""The words of every alert in English. `{name:form}`: see `alert_text`."""

from collections.abc import Mapping
from typing import Final

from services.contracts.alert_codes import AlertCode as C
from services.contracts.alert_words import Words

_OPENS = "It opens by itself; if it stays closed look at `arb status` and `arb doctor`."
_OPEN_AGAIN = "New pairs may go on"

WORDS: Final[Mapping[C, Words]] = {
    C.DEAD_LETTER: Words(
        "{service} gives up entries of {stream}", "{count} so far, the last is {entry}: {problem}",
        "Look at them with `arb dead list`, mend the cause, then `arb dead retry`. "
        "It is repeated until `arb ack`."),
    C.TICK_FAILING: Words(
        "{service} fails whenever time passes", "{problem}",
        "Halt with `arb halt`, keep the log of the service, mend the cause, start it again.",
        "{service} works again", "It was: {problem}"),
    C.BUS_OUTAGE: Words(
        "{service} was without Redis for {gap:ms}", "{problem}",
        "It has caught up by itself. Look with `arb doctor` at Redis: memory, disk, network."),
    C.BUS_EMPTIED: Words(
        "Redis has lost what {service} had stored",
        "The service goes on from its memory; what others wrote and it had not read is lost.",
        "Halt with `arb halt`, compare `arb status` with the broker, restart everything, then "
        "`arb latch clear reconciliation_difference`."),
    C.SECOND_INSTANCE: Words(
        "A second {service} has taken over", "{owner} holds now; {instance} waits and does nothing.",
        "End the one that is not wanted; `arb status` shows which are up. The one that waits takes over "
        "ten seconds after the other has ended.",
        "The {service} that was taken over waits no longer", "{owner} held, {instance} waited."),
    C.BUS_ROLLED_BACK: Words(
        "Redis came back without the last writes of {service}", "They were written again from memory.",
        "Find out why. New pairs wait until `arb status` shows that the account was compared with the broker."),
    C.STREAM_ANEW: Words(
        "{service}: {stream} begins anew",
        "It ended before what was read of it. What it holds now is read; what nobody had read before is gone.",
        "Find out who deletes keys. New pairs wait until `arb status` shows that the account was compared."),
    C.OUTPUT_LEFT_OUT: Words(
        "Redis takes nothing for {stream} from {service}", "What it says there is left out; all else goes on.",
        "Look at the key: it is no stream, or an id by hand has spent its ids. Delete it; see `arb doctor`.",
        "Redis takes {stream} again", "What was left out is not told again."),
    C.UNWRITABLE: Words(
        "{service} has stopped: Redis does not take what it writes", "{problem}. It asked for a halt and has ended.",
        "Compare orders and holdings with the broker's own screen. Mend or delete the key, start {service} "
        "again, then `arb halt --lift`."),
    C.COMMITS_AHEAD: Words(
        "Another process writes as {service}", "Redis holds commits that this one did not make; it has stopped.",
        "`arb halt`, end the other process, start one {service}, compare `arb status` with the broker."),
    C.STATE_UNREADABLE: Words(
        "What Redis keeps of {service} cannot be read", "{problem}",
        "Do what it says; `arb status` shows {service} when it runs. Until then no stream is trimmed.",
        "What Redis keeps of {service} can be read", "Entries that everybody has read are trimmed again."),
    C.DISCONNECTED: Words(
        "The connection to the broker is lost", "{problem}",
        "It is being restored; `arb status` shows it. Then `arb latch clear unplanned_disconnect` and `arb arm`.",
        "The connection to the broker is back", "Connected and compared with the broker's books. The latch that it set "
        "stays until `arb latch clear unplanned_disconnect`."),
    C.LOGIN_FAILED: Words(
        "The broker's login fails", "{problem}",
        "Log in by hand once, with the update, and switch auto-login on again; `arb status` shows when it worked.",
        "The broker's login works again", "The gateway is logged in."),
    C.LOGIN_REFUSED: Words(
        "The gateway refuses this login", "{problem}",
        "Correct config/gateway.toml or the login, then start the gateway again; `arb doctor` checks both."),
    C.ORDER_KIND_REFUSED: Words(
        "{venue} takes no {kind} order in {phase}", "The broker says: {problem}",
        "The gateway uses other kinds there until it restarts. `arb explain {pair}` shows the order. Correct "
        "hoga.toml, then restart the gateway."),
    C.SESSION_REFUSED: Words(
        "{venue} refused an order as out of session", "In {phase} the broker says: {problem}",
        "New pairs wait until the venue's next phase. Compare sessions.toml with the exchange's notices of "
        "today, and look at what is held with `arb residual list`."),
    C.ORDERS_RESTRICTED: Words(
        "The broker refuses orders altogether", "SendOrder returned {error}.",
        "No entry is sent; exits are tried after 30 s, then less and less often. `arb halt`, check the account's "
        "password registration and the broker's notices, sell by its own app what must go, then restart the gateway.",
        "The broker is asked to take orders again", "It took one, or a new login begins; entries go by `arb status`."),
    C.REGISTRATION_REFUSED: Words(
        "The broker refused a real-time registration", "Screen {screen}: SetRealReg returned {error}.",
        "It is tried again each minute; its symbols have no quotes until then (`arb symbols show`). "
        "If it stays, restart the gateway, outside 08:58 to 09:15.",
        "The broker took the real-time registration", "Screen {screen}."),
    C.ORDER_DATA_UNREADABLE: Words(
        "The broker sent what cannot be read about orders", "{problem}",
        "The broker is asked for all orders; see `arb status`. Keep the gateway's log for the vendor."),
    C.FRAMES_GARBLED: Words(
        "Frames of the broker cannot be used", "{problem}",
        "What they told of goes stale and is not traded. Keep the gateway's log (`arb logs gateway`) for the vendor."),
    C.QUERY_UNANSWERED: Words(
        "The broker does not answer a query", "{query}: {problem}",
        "Orders stay as they are. If `arb status` shows no change in a few minutes, restart the gateway."),
    C.BANDS_UNREAD: Words(
        "Price limits of the day cannot be read", "{problem}",
        "Those symbols take no entry; what is held of them can be sold. The gateway asks again by itself; "
        "`arb symbols show` shows them.",
        "Price limits of the day are known for all symbols", "{problem}"),
    C.BROKER_WORD_UNKNOWN: Words(
        "The broker used a word that is not known", "{word} is not in the list {list}.",
        "The gateway takes it for none that it knows: look at `arb logs`. Find its meaning in the broker's guide "
        "and add it to that list in services/market/broker_lists.py."),
    C.GATEWAY_FAILED: Words(
        "The gateway failed at something it was told", "{what}: {problem}",
        "Halt with `arb halt`, keep the gateway's log, restart the gateway."),
    C.RATE_REFUSED: Words(
        "The broker refused an order for its rate",
        "{order}: {problem}. It waits and goes again if it is still fresh.",
        "If `arb status` shows this repeating, look for another program that orders with the same login."),
    C.QUERIES_SPENT: Words(
        "The broker's query allowance is almost spent", "{left} of {limit} queries in {span:ms} are left.",
        "Queries wait, those that resolve unknown orders go first. If it lasts, look in `arb status` for what asks.",
        "Queries are allowed again", "{left} of {limit} queries are left."),
    C.FEED_SILENT: Words(
        "No book of {venue} has moved", "For {silence:ms} while the venue trades; no entries are sent meanwhile.",
        "If `arb status` shows it for more than a minute, restart the gateway.",
        "Books of {venue} move again", "The feed is alive."),
    C.BOOKS_SILENT: Words(
        "No book came of registered codes of {venue}",
        "{codes}. They are registered again, at most a minute apart. Their symbols do not trade meanwhile.",
        "Where the broker's screens show that they trade and `arb status` shows no spread, restart the gateway, "
        "not from 08:58 to 09:15.",
        "Books of all registered codes of {venue} come", "The codes are heard of, or wanted no more."),
    C.EXCHANGE_TIME_APART: Words(
        "Redis time and the time stamps of {venue} have parted",
        "The newest books of {venue} are {apart} s {direction:direction} Redis time; up to {limit} s is taken.",
        "Nothing new is traded. Compare the clock of the Redis machine with a time server; if it is "
        "right, the broker's feed is late: restart the gateway. Then `arb latch clear clocks`.",
        "Redis time and the time stamps of {venue} agree again", "They are {apart} s apart."),
    C.MARKET_STATUS_STRANGE: Words(
        "The broker sent market status {value}", "It is {reading:reading} at this time of day and changes nothing.",
        "Note the time; add its meaning to config/fid215.toml once it is known. `arb status` shows the phases."),
    C.TABLE_ENDS: Words(
        "{table} knows the rules only through {through}",
        "Later dates are computed by the last known rules and marked provisional: observing and simulating go on, "
        "live trading is refused.",
        "Hold the coming dates against the published rules, extend and confirm the table on every machine, "
        "`arb limits reload`, restart the gateway. `arb doctor --date` judges a date.",
        "{table} was extended", "It knows the rules through {through}."),
    C.HALT_FILE: Words(
        "A HALT file lies beside the gateway",
        "Nothing but cancels is sent while {file} is there. Every name that begins with halt stops, whatever it is.",
        "Remove it on the gateway's machine when you want to go on, then `arb arm`.",
        "The HALT file is gone", "The desk is disarmed: `arb arm` when it may trade again."),
    C.HALT_BY_SUPERVISOR: Words(
        "The supervisor keeps the gateway from sending", "{problem}",
        "The supervisor removes its HALT file by itself; `arb status` shows the gateway.",
        "The supervisor lets the gateway send again", "Its HALT file is gone."),
    C.SYMBOL_HALTED: Words(
        "{symbol} is halted on {venue} ({halt:halt})", "No new pair in it on either venue. {problem}",
        "It resumes by itself. Look with `arb status` whether a pair of it is still open.",
        "{symbol} trades again on {venue}", "The {halt:halt} is over."),
    C.ORDER_REJECTED: Words(
        "The broker rejected {order}", "{problem}", "See `arb explain {pair}`."),
    C.ORDER_UNKNOWN: Words(
        "It is not known what became of {order}",
        "{side:side} {qty:shares} of {symbol} on {venue} at {price:krw}: {problem}.",
        "Nothing; the broker is being asked. `arb explain {pair}` shows the answer.",
        "It is known what became of {order}", "{problem}"),
    C.ORDER_AMBIGUOUS: Words(
        "Several of the broker's orders could be {order}",
        "{side:side} {qty:shares} of {symbol} on {venue} at {price:krw}: {problem}.",
        "Compare `arb explain {pair}` with the broker's order screen, then end the pair with what you found: "
        "`arb residual resolve {pair}`.",
        "It is known what became of {order}", "{problem}"),
    C.FOREIGN_ORDER_SEEN: Words(
        "Order {broker_order} in the account is not ours", "{side:side} {qty:shares} of {symbol}.",
        "Find out whose it is, then `arb symbols resume {symbol}` with the answer."),
    C.LOG_UNWRITTEN: Words(
        "The gateway cannot write its log of intentions", "Nothing but cancels is sent ({order}).",
        "Free or mend the disk of the gateway's state_dir; sells wait for it too. `arb halt` meanwhile.",
        "The gateway writes its log of intentions again", "Orders are sent as before."),
    C.LOG_LOST: Words(
        "The gateway's log of intentions was lost while it was open",
        "{problem}. It is written anew from memory: sells and cancels go on, no entry is sent.",
        "Find out what touched it, and keep that folder from sync and clean-up programs. `arb pause`, wait until "
        "nothing is open, then restart the gateway: entries go on when it has read the log.",
        "The gateway has read its log of intentions from the disk", "Entries go by `arb status`."),
    C.LEASE_MISFIT: Words(
        "The gateway takes no entry: risk's lease does not fit it", "For {lasts:ms}: {problem}.",
        "`arb limits reload` tells the reference again; if that does not end it, restart the gateway.",
        "Risk's lease fits the gateway again", "Entries go by `arb status`."),
    C.QUERIES_RESTRICTED: Words(
        "The broker restricts queries", "It returned {error}: what became of an unknown order cannot be asked.",
        "No entry is sent until a query is answered; it is tried after 30 s, then less and less often (`arb "
        "status`). After ten minutes restart the gateway, and see that no other program uses the login.",
        "The broker answers queries again", "Entries go on."),
    C.VENUE_SHUT: Words(
        "{venue} should trade now and counts as shut",
        "By the broker's last market status it is in {phase}. No new pair meanwhile.",
        "Look at the broker's screen and `arb status`. If its books move, it opens here after five minutes; `arb "
        "halt` if it should not.",
        "{venue} trades as the timetable says", "It is in {phase}."),
    C.SWEEP_UNCONFIRMED: Words(
        "{order} was not cancelled before the pause and may work in the next session",
        "{side:side} {qty:shares} of {symbol} on {venue}. The gateway goes on cancelling it.",
        "See `arb explain {pair}`. Cancel it on the broker's order screen if it is still there when {venue} "
        "opens again.",
        "{order} has closed", "It works no more."),
    C.OLD_ORDERS: Words(
        "Orders of an earlier day were never seen to close", "{orders}",
        "Compare with the broker's order history of that day, then `arb ack` this."),
    C.BOOKS_DIFFER: Words(
        "Our books and the broker's differ", "{problem}",
        "Compare with the broker's screens, then lift the latch with what you found: "
        "`arb latch clear reconciliation_difference`.",
        "Our books and the broker's agree again", "{problem}"),
    C.NOTHING_ACCEPTED: Words(
        "The latch was lifted, and no difference of holdings was accepted",
        "The gateway had named none by then. It compares once more now.",
        "Nothing; if it names a difference now, compare that with the broker's screens and lift the latch again: "
        "`arb latch clear reconciliation_difference`."),
    C.GATEWAY_DOWN: Words(
        "The gateway ended and is started again", "Pairs that held shares or open buys: {held}. {problem}",
        "It comes back by itself under a HALT file and compares its books first; look at `arb status` in a "
        "minute, and for the reason at its last lines.",
        "The gateway is back", "Logged in and reconciled."),
    C.GATEWAY_GIVEN_UP: Words(
        "The gateway is down and stays down", "Pairs that held shares or open buys: {held}. {problem}",
        "Trading is stopped (`arb status`). Look at its last lines, mend the cause, then start the supervisor again. "
        "Look after open positions in the broker's own terminal.",
        "The gateway is back", "Logged in and reconciled."),
    C.GATEWAY_AWAY: Words(
        "The gateway has been away for long", "For {away:ms} it has not been ready; {stage}. {problem}",
        "Nothing is bought or sold meanwhile (`arb status`). Look at the Windows machine; positions can be closed "
        "in the broker's own terminal.",
        "The gateway is back", "Logged in and reconciled."),
    C.GATEWAY_MEMORY: Words(
        "The gateway uses much memory", "{used} MB.",
        "It is started again when nothing is open, or at {most} MB at once; `arb status` shows it.",
        "The gateway was started again", "Its memory is free."),
    C.HALT_FILE_UNLAID: Words(
        "The supervisor cannot lay the HALT file", "{problem}",
        "No gateway is started meanwhile; `arb halt` stops trading. Look at the disk and the rights of the folder "
        "of `halt_file`.",
        "The HALT file could be laid", "The supervisor goes on."),
    C.REDIS_AWAY: Words(
        "Redis does not answer the gateway's machine", "For {away:ms}; entries have stopped with the lease.",
        "Start Redis, or mend the network to it; `arb doctor` examines it. Open orders and positions can be seen in "
        "the broker's own terminal.",
        "Redis answers again", "The services catch up by themselves."),
    C.WINDOW_WAITS: Words(
        "A window at the gateway waits for a person", "{window} {problem}",
        "Trading is stopped until it is gone (`arb status`): read it on the Windows machine and answer it there.",
        "The window is gone", "{window}"),
    C.WINDOW_CLOSED: Words(
        "A window at the gateway was closed", "{window} {problem}",
        "Nothing: it is known and harmless. `arb status` shows the gateway."),
    C.SPREAD_ANOMALY: Words(
        "{symbol}: a spread too good to be true",
        "Bought on {buy_venue}, sold on {sell_venue}: ask {ask:krw}, bid {bid:krw}, net {edge_bps} bps of the "
        "price. Nothing is traded on it.",
        "Compare both books with the broker's own screen; if they are right, "
        "`arb limits set sanity_ceiling_bps VALUE`.",
        "{symbol}: the spread is believable again", "It is back under the ceiling."),
    C.BOOK_REFUSED: Words(
        "{symbol}: what {venue} shows is no book",
        "For {limit:ms} {trouble:book}: the best bid is {bid}, the best ask {ask}. It may be an auction that nobody "
        "announced. The symbol is not entered on either venue until a sound book comes.",
        "Compare with the broker's own screen. An auction ends by itself; if the screen shows another book, run "
        "`arb symbols pause {symbol}` and keep the gateway's log.",
        "{symbol}: {venue} shows a book again", "Or the venue does not trade the symbol now."),
    C.CROSS_STANDING: Words(
        "{symbol}: a cross that stands too long",
        "It could be bought on {buy_venue} and sold dearer on {sell_venue} for more than {limit:ms} and nobody took "
        "it: one book is likely not true. Nothing is traded on it until it ends.",
        "Compare both books with the broker's own screen. If one is old, `arb symbols pause {symbol}`; if both are "
        "right, `arb limits set max_cross_ms VALUE`.",
        "{symbol}: the cross is over", "It has ended, or was taken."),
    C.BID_FAILS: Words(
        "{symbol}: the bid of {sell_venue} fails again and again",
        "{count} pairs that bought on {buy_venue} had to be liquidated today, because {sell_venue} did not buy. None "
        "begins there for {limit:ms}, and each further loss doubles that.",
        "See what they cost with `arb explain`; compare the book with the broker's own screen. If it is not true, "
        "`arb symbols pause {symbol}`."),
    C.LATCHED: Words(
        "Trading is latched: {latch:latch}", "{problem}\nTrading is {state:state}.",
        "{latch:latch_step}; then `arb latch clear {latch}` with a reason, and `arb arm`.",
        "Latch lifted: {latch:latch}", "{by}: {reason}"),
    C.STATE_CHANGED: Words(
        "Trading is {new:state}", "It was {old:state}. {by}: {reason}", "Nothing to do; `arb status` shows it."),
    C.STATE_LOWERED: Words(
        "Trading is {new:state}", "It was {old:state}. {by}: {reason}",
        "See `arb status` for what is open. A halt ends by `arb halt --lift`; then arm again with `arb arm`."),
    C.SYMBOL_PAUSED: Words(
        "{symbol} is paused", "{by}: {reason}", "Resume it with `arb symbols resume {symbol}`."),
    C.SYMBOL_RESUMED: Words(
        "{symbol} is resumed", "{by}: {reason}", "Nothing to do; `arb symbols show` shows it."),
    C.EXPOSURE_OVER: Words(
        "Exposure is above its limit",
        "The worst case of all open pairs is {worst:krw}, the limit {limit:krw}.",
        "No new pair is approved until it has fallen; `arb reduce` closes what is open.",
        "Exposure is within its limit again", "The worst case is {worst:krw}, the limit {limit:krw}."),
    C.SYMBOL_REPEATED: Words(
        "{symbol} traded too often and is paused", "{problem}. The other symbols go on.",
        "See with `arb explain` whether its pairs earn what they should; then `arb symbols resume {symbol}` "
        "with a reason.",
        "{symbol} may trade again", "{by}: {reason}"),
    C.ORDERS_SPENT: Words(
        "The day's orders are spent", "{count} orders were sent today, the limit is {limit}.",
        "No new pair begins today; what is open is sold. See with `arb status` what used them up.",
        "There are orders left again", "{count} orders were sent today, the limit is {limit}."),
    C.FOREIGN_ORDER: Words(
        "An order that is not ours in {symbol}",
        "Order {broker_order}: {side:side} {qty:shares} on {venue}, {filled} filled. {symbol} is paused.",
        "Find out whose it is, then `arb symbols resume {symbol}` with a reason.",
        "The order that was not ours in {symbol} is settled", "{by}: {reason}"),
    C.API_REJECTED: Words(
        "The broker rejected an order: {error}",
        "{problem} ({side:side} {qty:shares} of {symbol} on {venue}, order {order}).",
        "See `arb explain {pair}`."),
    C.REFERENCE_REFUSED: Words(
        "Reference data cannot be used", "{problem}\nWhat was in force stays in force.",
        "Mend the lines named, then `arb limits reload`.",
        "Reference data can be used again", "The files were read without a problem."),
    C.REFERENCE_ABSENT: Words(
        "Reference data cannot be used", "{problem}\nNothing was in force before: no pair begins.",
        "Mend the lines named, then `arb limits reload`.",
        "Reference data can be used again", "The files were read without a problem."),
    C.SYMBOL_KEPT: Words(
        "{symbol} left symbol_map.csv while it is held",
        "It stays in force, switched off: what is held is sold, nothing is bought.",
        "Nothing to do if that is meant (`arb symbols show`); else put its line back and `arb limits reload`.",
        "{symbol} is no longer kept only to be sold", "It is sold, or its line is back."),
    C.NOT_ELIGIBLE: Words(
        "{count} symbols cannot be traded on NXT today", "{symbols}",
        "Nothing to do: they are off for the day (`arb symbols show`). Take them off symbol_map.csv if it lasts."),
    C.LIMITS_DIFFER: Words(
        "Risk started with a limits.toml that says {count} limits anew", "{differences}",
        "See that each is meant: `arb limits show` shows what holds; `arb limits set` changes one."),
    C.OVERRIDES_DROPPED: Words(
        "limits.toml changed: limits set by hand no longer hold", "Dropped: {names}.",
        "Set them again with `arb limits set` if they are still wanted."),
    C.GATE_REFERENCE: Words(
        "New pairs wait: no reference data", "{problem}", "Mend the files, then `arb limits reload`.",
        _OPEN_AGAIN, "Reference data is in force."),
    C.GATE_DAY: Words(
        "New pairs wait: the trading day is not complete", "{problem}", _OPENS,
        _OPEN_AGAIN, "The facts of the day are there."),
    C.GATE_CONNECTION: Words(
        "New pairs wait: no connection to the broker", "{problem}", _OPENS,
        _OPEN_AGAIN, "The connection is ready."),
    C.GATE_RECONCILIATION: Words(
        "New pairs wait: not yet compared with the broker", "{problem}", _OPENS,
        _OPEN_AGAIN, "Orders and holdings are compared."),
    C.GATE_ACCOUNT: Words(
        "New pairs wait: no report of the account", "{problem}", _OPENS,
        _OPEN_AGAIN, "The broker has reported the account."),
    C.GATE_HEARTBEAT: Words(
        "New pairs wait: a service is silent", "{problem}",
        "Start it again if `arb status` does not show it come back.",
        _OPEN_AGAIN, "Every service beats."),
    C.GATE_BUILDS: Words(
        "New pairs wait: mixed builds", "{problem}", "Start every service from one build; `arb status` names them.",
        _OPEN_AGAIN, "Every service runs the same build."),
    C.GATE_IN_FORCE: Words(
        "New pairs wait: a service computes with other reference data", "{problem}", _OPENS,
        _OPEN_AGAIN, "Every service computes with what is in force."),
    C.GATE_CLOCK: Words(
        "New pairs wait: a clock is not trusted", "{problem}",
        "It opens by itself; if it stays closed run `arb doctor` on that machine.",
        _OPEN_AGAIN, "Every service trusts its clock."),
    C.GATE_JOURNAL: Words(
        "New pairs wait: the journal is behind", "{problem}",
        "Look at disk and load of the notifier's machine; `arb status` shows how far it is behind.",
        _OPEN_AGAIN, "The journal has caught up."),
    C.GATE_STREAMS: Words(
        "New pairs wait: a stream has grown too long", "{problem}",
        "See with `arb status` which service does not keep up, and start it again.",
        _OPEN_AGAIN, "Every reader has caught up."),
    C.GATE_WINDOW: Words(
        "New pairs wait: the entry window is closed", "{problem}", _OPENS,
        _OPEN_AGAIN, "The entry window is open."),
    C.GATE_FEED: Words(
        "New pairs wait: a feed does not move", "{problem}", _OPENS,
        _OPEN_AGAIN, "Both feeds move."),
    C.RESIDUAL: Words(
        "{symbol}: {qty:shares} bought and not sold in time",
        "Pair {pair} paid {paid:krw} for them. {problem} They are being sold at the better bid.",
        "Nothing, unless a stranded position is reported after this; watch `arb status`.",
        "{symbol}: the residual is sold", "Pair {pair} holds nothing."),
    C.RESIDUAL_BLOCKED: Words(
        "{symbol}: {qty:shares} bought and not sold in time",
        "Pair {pair} paid {paid:krw} for them. {problem} They are not sold: {refusal}.",
        "Run `arb flatten {symbol}` to sell all the same, or `arb arm`.",
        "{symbol}: the residual is sold", "Pair {pair} holds nothing."),
    C.STRANDED: Words(
        "{symbol}: a position of {qty:shares} is stranded", "Pair {pair} paid {paid:krw}; {why:strand}. {problem}",
        "It is tried again by itself, within limits: `arb residual list` says when. "
        "Run `arb flatten {symbol}` to try now, or sell by hand and run "
        "`arb residual resolve {pair}`. Then `arb latch clear residual_stranded` and `arb arm`.",
        "{symbol}: no longer stranded", "Pair {pair}: {ended:ended}."),
    C.STRANDED_UNCERTAIN: Words(
        "{symbol}: a position of {qty:shares} is stranded", "Pair {pair} paid {paid:krw}; {why:strand}. {problem}",
        "Compare with the broker's order screen; if shares are held, sell them by hand. Then run "
        "`arb residual resolve {pair} --amount KRW`, 0 where none were held, "
        "`arb latch clear residual_stranded` and `arb arm`.",
        "{symbol}: no longer stranded", "Pair {pair}: {ended:ended}."),
    C.CLAIM_REFUSED: Words(
        "The claim of pair {pair} was not taken", "{by} claimed {qty:shares} for {amount:krw}; {problem}.",
        "Look at `arb residual list` and claim again with what it shows."),
    C.ORDER_IN_DOUBT: Words(
        "{symbol}: what became of a {side:side} of {qty:shares} is not known",
        "Order {order} on {venue}: {doubt:doubt}. Nothing more of this pair is bought or sold until it is known.",
        "Look at `arb status` for the gateway; it asks the broker by itself. If this stays, "
        "compare the broker's order screen with `arb explain {pair}`.",
        "{symbol}: the order is settled", "Order {order}: {ended:ended}."),
    C.STRAY_FILL: Words(
        "{symbol}: a {side:side} of {qty:shares} filled outside any open pair",
        "Order {order} on {venue}: {problem}. Nothing is sold or bought against it.",
        "Compare holdings of {symbol} with the broker's screen and level them by hand; then `arb ack` this."),
    C.PAIR_RECOVERED: Words(
        "{symbol}: a pair was brought back from its orders",
        "Order {order} on {venue} is known to the gateway, its pair was lost. What it holds is sold at the better bid.",
        "Look why Redis lost what it had; `arb explain {pair}` tells how the pair went."),
    C.PAIR_REOPENED: Words(
        "{symbol}: a closed pair is open again",
        "Order {order} on {venue} was told after its pair had been closed: {filled} of {qty:shares} filled. "
        "What it holds is sold at the better bid.",
        "Look why it was told late; `arb explain {pair}` tells how the pair went."),
    C.PAIR_CLOSED: Words(
        "{symbol}: pair closed, {pnl:pnl}",
        "Pair {pair} bought {bought:shares} for {bought_krw:krw} and sold {sold:shares} for {sold_krw:krw} in "
        "{clips} clips; commission {commission:krw}, tax {tax:krw}; neutral within {neutral:ms}; residual at most "
        "{residual:shares}; closed {outcome:outcome}.",
        "Nothing; `arb explain {pair}` tells how it went."),
    C.JOURNAL_STOPPED: Words(
        "The journal has stopped: {failure:journal}", "{problem}",
        "{failure:journal_step} `arb status` shows when it goes on.",
        "The journal goes on", "What was missed is being read from the streams."),
    C.JOURNAL_HOLE: Words(
        "The journal of {stream} has a hole",
        "{count} so far; the last lies after {after} and before {before}: these entries went before they were written.",
        "Nothing to do if the notifier was stopped; else see with `arb logs notifier` why it fell behind.",
        "The journal of {stream} has had no new hole for ten minutes",
        "{count} in all, the last after {after} and before {before}. They stay holes."),
    C.JOURNAL_RESTARTED: Words(
        "Redis no longer holds what the journal holds of {stream}",
        "{count} times so far. It held {after} and went on with {before}. What was in between is not known; what Redis holds is "
        "being written.",
        "See with `arb doctor` whether Redis was restored from an older state, or its clock was set back.",
        "No stream has begun anew for ten minutes", "{count} in all, the last was {stream}."),
    C.JOURNAL_TAKEN: Words(
        "A file of the journal was moved, deleted or changed",
        "{count} so far, the last was {path}. If it was the newest of its stream, what Redis still holds is being written again.",
        "Find out who did it: only folders of earlier dates may be moved. `arb journal verify` checks the rest.",
        "No file of the journal was taken for ten minutes", "{count} in all, the last was {path}."),
    C.JOURNAL_DISK: Words(
        "The journal's disk is almost full", "Less than {least} MB are free in {folder}.",
        "Move the folders of old dates to other storage; `arb doctor` shows the room.",
        "The journal's disk has room again", "More than {least} MB are free."),
    C.STREAM_LONG: Words(
        "The stream {stream} has grown to {length} entries",
        "It is trimmed only as far as its slowest reader has come, which is {reader}.",
        "See with `arb status` whether {reader} runs and keeps up; at {pause} new pairs wait until it is shorter. A service that is "
        "gone for good is named in `retired_readers` of config/notifier.toml.",
        "The stream {stream} is short again", "Its readers have caught up."),
    C.JOB_REFUSED: Words(
        "The worker refused side jobs that are not ours", "{count} so far, the last: {problem}",
        "Somebody else writes to this Redis. Close it with a password and a firewall, then look with `arb doctor`."),
    C.SLACK_TEST: Words(
        "Test of the way to Slack", "Asked for by {by}; nothing is wrong.",
        "None: this message arriving is the whole test (`arb slack test --whole`).",
        "Test of the way to Slack", "The test is over."),
    C.SYSTEM_ADOPTED: Words(
        "Redis was moved to the system {after}", "It belonged to {before}. Moved by {by}: {why}",
        "Look at `arb system show` and `arb status`: what runs must belong to {after}."),
}  # fmt: skip
