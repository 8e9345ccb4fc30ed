"""Dataclasses, named tuples, and the project's own kinds of list and dict."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.values import Const, External, Function, Instance, Opaque, Partial, Sequence, Value
from gradsan.source.hierarchy import external_bases, fields_of, find_member
from gradsan.source.index import ClassInfo, FunctionInfo

NAMED_TUPLE = External("<named tuple>")
"""Called with the names of the fields, then with the fields."""
_MAPPINGS = frozenset({"dict", "OrderedDict", "collections.OrderedDict", "UserDict", "collections.UserDict"})
_LISTS = frozenset({"list", "UserList", "collections.UserList"})
_TUPLES = frozenset({"NamedTuple", "typing.NamedTuple"})


def define_named_tuple(arguments: Arguments) -> Value:
    """``collections.namedtuple(name, fields)``."""
    given = arguments.get(1, "field_names")
    if isinstance(given, Const) and isinstance(given.value, str):
        names = tuple(given.value.replace(",", " ").split())
    elif isinstance(given, Sequence) and given.is_exact and all(isinstance(item, Const) for item in given.items):
        names = tuple(str(item.value) for item in given.items if isinstance(item, Const))
    else:
        return Opaque()
    return Partial(NAMED_TUPLE, [Const(names)], {})


def construct_named_tuple(arguments: Arguments) -> Value:
    """Construct a named tuple; the first argument holds the names of its fields."""
    names = arguments.positional[0].value if isinstance(arguments.positional[0], Const) else ()
    assert isinstance(names, tuple)
    given = dict(zip(names, arguments.positional[1:], strict=False)) | arguments.keywords
    items = [given.get(name, Opaque()) for name in names]
    return Sequence(items, is_exact=arguments.is_exact, is_tuple=True, fields=names)


def is_mapping(frame: Frame, info: ClassInfo) -> bool:
    """Return whether a class derives from a dict: its constructor takes any names."""
    return any(base in _MAPPINGS for base in external_bases(frame.machine.project, info))


def construct_plain(frame: Frame, info: ClassInfo, arguments: Arguments, node: ast.AST) -> Value | None:
    """Construct an object of a class that adds nothing of its own to a tuple, a list or a dict; None for others."""
    from gradsan.source.flow.containers import call_builtin

    bases = external_bases(frame.machine.project, info)
    if info.methods or not bases:
        return None
    if is_mapping(frame, info):
        return call_builtin(frame, "dict", arguments, node)
    if any(base in _LISTS for base in bases):
        return call_builtin(frame, "list", arguments, node)
    if any(base in _TUPLES for base in bases):
        names = [s.target.id for s in info.node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        given: list[Value] = [Const(tuple(names)), *arguments.positional]
        return construct_named_tuple(Arguments(given, arguments.keywords, arguments.is_exact))
    return None


def fill_fields(frame: Frame, instance: Instance, arguments: Arguments, node: ast.AST) -> None:
    """Set the fields of a dataclass or a named tuple, or the entries of a dict whose attributes they are as well.

    What a dataclass does after that, it does.
    """
    project, journal = frame.machine.project, frame.machine.journal
    fields = fields_of(project, instance.info)
    names = [name for name, (_, field) in fields.items() if not _is_left_out(field)]
    for name, value in zip(names, arguments.positional, strict=False):
        journal.set(instance.attributes, name, value)
    takes_all = is_mapping(frame, instance.info)
    for name, value in arguments.keywords.items():
        if takes_all or name in fields:
            journal.set(instance.attributes, name, value)
    after = find_member(project, instance.info, "__post_init__")
    if after is not None and isinstance(after[1], FunctionInfo):
        call(frame, Function(after[1], None, instance), Arguments([]), node)


def _is_left_out(field: ast.AnnAssign) -> bool:
    """Return whether a constructor does not take a field: ``flat: Tensor = field(init=False)``."""
    keywords = field.value.keywords if isinstance(field.value, ast.Call) else []
    return any(k.arg == "init" and isinstance(k.value, ast.Constant) and k.value.value is False for k in keywords)
