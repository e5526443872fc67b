"""Screen numbers: four digits that the control groups its traffic by (Kiwoom sheet 5.2).

Each kind of use has its own range, and a screen never changes its use. An order's screen turns
through a range, so that FID 920 of an early frame tells which order in flight it belongs to.
"""

SESSION_SCREEN = "3000"
WATCH_SCREEN = "3001"
"""Of the query that switches VI frames on: another query on its screen might switch them off again."""
_KRX_FIRST, _NXT_FIRST = 1000, 2000
_ORDER_FIRST, _ORDERS = 5000, 60
_QUERY_FIRST, _QUERIES = 6000, 10


def krx_screen(page: int) -> str:
    return str(_KRX_FIRST + page)


def nxt_screen(page: int) -> str:
    return str(_NXT_FIRST + page)


def order_screen(turn: int) -> str:
    """Return the screen of the `turn`-th order; comes round after 60, long after its answer."""
    return str(_ORDER_FIRST + turn % _ORDERS)


def is_order_screen(screen: str) -> bool:
    return screen.isdigit() and _ORDER_FIRST <= int(screen) < _ORDER_FIRST + _ORDERS


def query_screen(turn: int) -> str:
    return str(_QUERY_FIRST + turn % _QUERIES)
