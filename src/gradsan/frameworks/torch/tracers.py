"""What compilers, scripters and pickles look for, and must find as it is without us.

# NOTE [Compilers see through us] Dynamo follows ``_torchdynamo_inline`` from a wrapper to the original, so that what it
captures is the same graph.  And it compiles every frame that runs below a compiled function, ours included, unless the
frame's code is marked: a wrapper is skipped, what the original calls is not; all other code of ours is skipped with
all that it calls.

# NOTE [Tables made late] The framework makes tables of its functions when they are first asked for, and keeps them:
which functions make tensors (``with torch.device(...)``), which can be overridden, what each is called.  Made while
wrappers are in place, they would hold these, and the functions that reach a mode or an override would not be found.

Source: torch/_dynamo/utils.py (`unwrap_with_attr_name_if_wrapper`), torch/csrc/dynamo/eval_frame.c,
torch/overrides.py, torch/utils/_device.py (`_device_constructors`), torch 2.13.0.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _device

if TYPE_CHECKING:
    from gradsan.frameworks.torch.doors import Patches

_ROOMS = ("gradsan.record.", "gradsan.frameworks.torch.")
_TABLES = (
    *("get_ignored_functions", "get_default_nowrap_functions", "get_testing_overrides"),
    *("_get_overridable_functions", "get_overridable_functions", "_get_tensor_methods"),
)
_looked_into: set[str] = set()


def make_tables() -> None:
    """Let the framework make its tables of functions from the originals; see NOTE [Tables made late].

    Effect: for the life of the process; once.
    """
    makers = [getattr(torch.overrides, name, None) for name in _TABLES]
    for make in (*makers, getattr(_device, "_device_constructors", None)):
        if make is not None:
            make()


def see_through(wrapper: Any) -> None:
    """Let compilers see the original of a wrapper; see NOTE [Compilers see through us].

    Effect: marks the wrapper and its code.
    """
    if not isinstance(wrapper, FunctionType) or not hasattr(wrapper, "__wrapped__"):
        return
    wrapper._torchdynamo_inline = wrapper.__wrapped__  # type: ignore[attr-defined]
    skip(wrapper.__code__, with_callees=False)


def skip(code: CodeType, *, with_callees: bool) -> None:
    """Keep a compiler from compiling the frames of a code object.

    Effect: for the life of the code object.
    """
    engine: Any = torch._C._dynamo.eval_frame
    if not hasattr(engine, "set_code_exec_strategy"):  # before torch 2.7
        engine.skip_code(code)
        return
    action = engine._FrameAction
    below = action.SKIP if with_callees else action.DEFAULT
    engine.set_code_exec_strategy(code, engine._FrameExecStrategy(action.SKIP, below))


def skip_our_code() -> None:
    """Keep compilers out of our code that a program's frames call; see NOTE [Compilers see through us].

    Effect: marks each code object once.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(_ROOMS) and name not in _looked_into:
            _looked_into.add(name)
            for code in _code_of(vars(module), name):
                skip(code, with_callees=True)


def _code_of(namespace: Any, module: str) -> Iterator[CodeType]:
    for value in list(namespace.values()):
        if getattr(value, "__module__", module) != module:
            continue
        value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
        if isinstance(value, FunctionType):
            yield from _with_inner(value.__code__)
        elif isinstance(value, type):
            yield from _code_of(vars(value), module)


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def name_as_found(wrapper: Any, owner: Any, attribute: str) -> None:
    """Let a wrapper be pickled as what it stands for: by the place from which the original is fetched.

    Effect: mutates the wrapper's names where the original is no function of Python and has no such place.
    """
    original = getattr(wrapper, "__wrapped__", None)
    is_namespace = sys.modules.get(getattr(owner, "__name__", "")) is owner
    if isinstance(wrapper, FunctionType) and is_namespace and not isinstance(original, FunctionType):
        wrapper.__module__, wrapper.__qualname__ = owner.__name__, attribute


def let_tracers_find_originals(patches: Patches) -> None:
    """Let `torch.jit.script` know wrapped builtins, and `torch.fx` the namespace of the originals.

    Effect: until the patches are restored.
    """
    builtins: Any = torch.jit._builtins
    find_builtin = builtins._find_builtin

    @functools.wraps(find_builtin)
    def find(function: Any) -> Any:
        return find_builtin(getattr(function, "_torchdynamo_inline", function))

    builtins._get_builtin_table()  # made of what it finds in the namespaces: while these are as they were
    patches.set(builtins, "_find_builtin", find)
    node: Any = torch.fx.node
    find_module = node._find_module_of_method

    @functools.wraps(find_module)
    def module_of(method: Callable[..., Any]) -> str:
        for guess in (torch, torch.nn.functional):
            found = getattr(guess, method.__name__, None)
            if found is not None and getattr(found, "_torchdynamo_inline", None) is method:
                return guess.__name__
        name: str = find_module(method)
        return name

    patches.set(node, "_find_module_of_method", module_of)
