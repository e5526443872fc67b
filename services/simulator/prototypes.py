"""`dynamicCall` as the real binding behaves: prototypes, argument counts and conversions.

The variadic form takes at most eight values; nine or more go as one list (Kiwoom sheet 1). A wrong
prototype or a wrong number of values is not an exception: Qt prints a warning and the call gives None.
"""

import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

MAX_POSITIONAL = 8
Converter = Callable[[Any], Any]
_PROTOTYPE = re.compile(r"^\s*(\w+)\s*\((.*)\)\s*$")

PROTOTYPES: dict[str, tuple[str, ...]] = {
    "CommConnect": (),
    "CommTerminate": (),
    "GetConnectState": (),
    "GetLoginInfo": ("QString",),
    "SetInputValue": ("QString", "QString"),
    "CommRqData": ("QString", "QString", "int", "QString"),
    "CommKwRqData": ("QString", "int", "int", "int", "QString", "QString"),
    "GetRepeatCnt": ("QString", "QString"),
    "GetCommData": ("QString", "QString", "int", "QString"),
    "GetCommDataEx": ("QString", "QString"),
    "GetCommRealData": ("QString", "int"),
    "SetRealReg": ("QString", "QString", "QString", "QString"),
    "SetRealRemove": ("QString", "QString"),
    "DisconnectRealData": ("QString",),
    "SendOrder": ("QString", "QString", "QString", "int", "QString", "int", "int", "QString", "QString"),
    "SendOrderCredit": (
        *("QString", "QString", "QString", "int", "QString", "int", "int"),
        *("QString", "QString", "QString", "QString"),
    ),
    "GetChejanData": ("int",),
    "KOA_Functions": ("QString", "QString"),
    "GetCodeListByMarket": ("QString",),
    "GetMasterCodeName": ("QString",),
    "GetMasterLastPrice": ("QString",),
    "GetMasterStockState": ("QString",),
    "GetMasterConstruction": ("QString",),
    "GetMasterListedStockDate": ("QString",),
    "GetMasterListedStockCnt": ("QString",),
    "GetBranchCodeName": (),
    "GetAPIModulePath": (),
    "GetConditionLoad": (),
    "GetConditionNameList": (),
    "SendCondition": ("QString", "QString", "int", "int"),
    "SendConditionStop": ("QString", "QString", "int"),
}


def warn(text: str) -> None:
    """Where Qt's warnings go."""
    sys.stderr.write(f"{text}\n")


def resolve(
    prototype: str, args: tuple[Any, ...], say: Callable[[str], None] = warn
) -> tuple[str, list[Any]] | None:
    """The method and its converted arguments, or None after a warning.

    Raises TypeError for more than eight positional values, as the binding does.
    """
    if len(args) > MAX_POSITIONAL:
        raise TypeError(
            "arguments did not match any overloaded call:\n"
            "  dynamicCall(self, str, Iterable[Any]): too many arguments\n"
            "  dynamicCall(self, str, value1: Any = None, ... value8: Any = None): too many arguments"
        )
    values = list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else list(args)
    name, converters, complaint = _look_up(prototype)
    if complaint:
        say(complaint)
        return None
    if len(values) != len(converters):
        say(f"QAxBase: Error calling IDispatch member {name}: Bad parameter count")
        return None
    return name, [convert(value) for convert, value in zip(converters, values, strict=True)]


@lru_cache(maxsize=256)
def _look_up(prototype: str) -> tuple[str, tuple[Converter, ...], str]:
    """The method that a prototype names and how its values are converted, or what Qt says instead."""
    match = _PROTOTYPE.match(prototype)
    name = match.group(1) if match else prototype.strip()
    declared = PROTOTYPES.get(name)
    said = f"QAxBase::dynamicCallHelper: {prototype}: "
    if declared is None or match is None:
        return name, (), f"{said}No such property in KHOPENAPI.KHOpenAPICtrl.1"
    given = tuple(part.strip() for part in match.group(2).split(",") if part.strip())
    if _same(declared, given):
        return name, tuple(_text if kind == "QString" else _whole for kind in declared), ""
    return name, (), f"{said}No such method, candidates are: {name}({','.join(declared)})"


def _same(declared: tuple[str, ...], given: tuple[str, ...]) -> bool:
    """Types match; a declared int may be called bool, as some bridges do for CommKwRqData."""
    plain = tuple(part.removeprefix("const ").rstrip("&").strip() for part in given)
    return len(plain) == len(declared) and all(
        kind == name or (kind == "int" and name in ("bool", "long"))
        for kind, name in zip(declared, plain, strict=True)
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _whole(value: Any) -> int:
    """Text that is no number becomes 0 where an int is declared."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
