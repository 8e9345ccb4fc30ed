"""What a program calls the networks that no other module holds: names of variables, attributes and keys.

# NOTE [Locals of a running frame] Before Python 3.13, reading ``f_locals`` leaves a copy with the frame, which keeps
what a variable held alive after the variable is gone.  There a frame is not asked; what refers to the networks is:
attributes, dicts, and the copies that a tracer has left already.  Source: PEP 667; checked on Python 3.11.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

_FOREIGN = frozenset({"gradsan", "torch"})
"""Packages whose own variables are no names that the program gave."""


def names_of(roots: Iterable[object]) -> dict[int, str]:
    """Return the names, by `id`, under which the running functions and the main module hold objects.

    The innermost function is asked first, and in it what ``self`` holds: that has the more telling name.
    See NOTE [Locals of a running frame].
    """
    unnamed = {id(root): root for root in roots}
    found: dict[int, str] = {}

    def take(names: Mapping[Any, Any]) -> None:
        for name, value in list(names.items()):
            if id(value) in unnamed and type(name) is str:
                del unnamed[id(value)]
                found[id(value)] = name

    for scope in _scopes(sys._getframe(1)):
        take(scope)
        for value in list(scope.values()):
            if type(value) is dict:
                take(value)
        if not unnamed:
            break
    for holder in gc.get_referrers(*unnamed.values()) if unnamed else ():
        held = list((holder if type(holder) is dict else _attributes(holder)).items())
        take({name: value for name, value in held if type(name) is str and name.isidentifier()})
    return {key: name for key, name in found.items() if name != "self"}


def _attributes(holder: object) -> Mapping[str, Any]:
    """Return the attributes of an object, without running code of its class."""
    try:
        held = object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def _scopes(frame: FrameType | None) -> Iterator[Mapping[str, Any]]:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _FOREIGN:
            if sys.version_info >= (3, 13):  # NOTE [Locals of a running frame]
                yield _attributes(frame.f_locals.get("self"))
                yield frame.f_locals
            yield frame.f_globals
        frame = frame.f_back
    yield vars(sys.modules.get("__main__", sys))
