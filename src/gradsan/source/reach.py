"""Which functions can write to a tensor at all, read off their text; the others need no data flow.

A quick look that errs on the side of yes: augmented assignment, item assignment, a trailing underscore or ``inplace``
are asked for as text, in the function itself or in what it calls of the project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gradsan.source.hierarchy import find_member, linearize_known
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo
from gradsan.source.project import Project

_WRITE = re.compile(
    r"(?<!\bi)(?<!idx)(?<!count)(?<!step)(?<!index)[\w\])]\s*(?:\*\*|//|>>|<<|[-+*/%&|^])=(?!=)(?!\s*[fr]?[\"'])"
    r"|[^\"'\s]\s*\]\s*=(?!=)"
    r"|[a-z0-9]_\("
    r"|\binplace\b"
    r"|\bout\s*="
    r"|\.step\(",
    re.MULTILINE,
)
_STRICT = re.compile(
    r"^\s*\w+\s*(?:\*\*|//|[-+*/%&^])=(?!\s*(?:\d+\s*$|[fr]?[\"'\[(]|len\b))"
    r"|\[[^\]\n]*(?::|\.\.\.|,|~|mask)[^\]\n]*\]\s*(?:[-+*/]?)=(?!=)"
    r"|\.[a-z0-9]+_\(",
    re.MULTILINE,
)
"""What in a callee makes its caller worth a look: no items of dicts, no counters."""
_CALL = re.compile(r"([A-Za-z_][\w.]*)\s*\(")
_KEYWORDS = frozenset(
    [
        "if",
        "elif",
        "while",
        "for",
        "in",
        "and",
        "or",
        "not",
        "return",
        "print",
        "len",
        "range",
        "isinstance",
        "int",
        "float",
        "str",
        "list",
        "tuple",
        "dict",
        "super",
        "zip",
        "enumerate",
        "getattr",
        "hasattr",
        "max",
        "min",
        "sum",
        "type",
        "assert",
        "yield",
        "lambda",
        "def",
        "class",
    ]
)


@dataclass(slots=True)
class Reach:
    """Answers, remembered."""

    project: Project
    _functions: dict[int, bool] = field(default_factory=dict)
    _classes: dict[int, bool] = field(default_factory=dict)
    _names: dict[tuple[int, str], bool] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop all answers; the objects that they are about are gone."""
        self._functions.clear()
        self._classes.clear()
        self._names.clear()

    def function(self, info: FunctionInfo) -> bool:
        """Return whether a function, or what it calls, may write."""
        known = self._functions.get(id(info))
        if known is None:
            self._functions[id(info)] = False
            known = self._functions[id(info)] = self._look(info)
        return known

    def _look(self, info: FunctionInfo) -> bool:
        node = info.node
        text = "\n".join(info.module.lines[node.lineno - 1 : node.end_lineno])
        if info.name == "__init__":
            return _STRICT.search(text) is not None
        if _WRITE.search(text):
            return True
        if info.owner is not None and len(node.args.args) + len(node.args.kwonlyargs) < 2:
            return False
        if info.owner is not None and not info.is_static and info.name != "__init__" and self.constructs(info.owner):
            return True
        names = set(_CALL.findall(text)) - _KEYWORDS
        if info.owner is None:
            return any(self._writes(info.module, name, 2) for name in names)
        return any(self._name(info.module, info.owner, name) for name in names)

    def _writes(self, module: ModuleInfo, name: str, depth: int) -> bool:
        """Return whether a function that is called by name writes, most likely to what it is given."""
        found = self.project.lookup(module, name.removesuffix(".apply")) if depth else None
        if isinstance(found, ClassInfo):
            if not name.endswith(".apply"):
                return False
            found = found.methods.get("forward")
        if not isinstance(found, FunctionInfo):
            return False
        key = (id(found), "")
        known = self._names.get(key)
        if known is None:
            self._names[key] = False
            text = "\n".join(found.module.lines[found.node.lineno - 1 : found.node.end_lineno])
            known = bool(_STRICT.search(text)) or any(
                self._writes(found.module, inner, depth - 1) for inner in set(_CALL.findall(text)) - _KEYWORDS
            )
            self._names[key] = known
        return known

    def constructs(self, info: ClassInfo) -> bool:
        """Return whether the constructors of a class build anything that writes."""
        known = self._classes.get(id(info))
        if known is not None:
            return known
        self._classes[id(info)] = False
        order, _ = linearize_known(self.project, info)
        answer = any(self._builds(owner) for owner in order)
        self._classes[id(info)] = answer
        return answer

    def _builds(self, info: ClassInfo) -> bool:
        method = info.methods.get("__init__")
        if method is None:
            return False
        text = "\n".join(info.module.lines[method.node.lineno - 1 : method.node.end_lineno])
        if "inplace" in text:
            return True
        names = {*_CALL.findall(text), *re.findall(r"\b[A-Z]\w+", text)} - _KEYWORDS
        return any(self._name(info.module, info, name) for name in names)

    def _name(self, module: ModuleInfo, owner: ClassInfo | None, name: str) -> bool:
        if owner is not None and name.startswith("self."):
            method = name[5:]
            if "." in method:
                return False
            found = find_member(self.project, owner, method)
            return found is not None and isinstance(found[1], FunctionInfo) and self.function(found[1])
        key = (id(module), name)
        known = self._names.get(key)
        if known is None:
            self._names[key] = False
            known = self._names[key] = self._look_up(module, name)
        return known

    def _look_up(self, module: ModuleInfo, name: str) -> bool:
        found = self.project.lookup(module, name.removesuffix(".apply"))
        if isinstance(found, FunctionInfo):
            return self.function(found)
        if isinstance(found, ClassInfo):
            return self.constructs(found) or any(
                self.function(method)
                for owner in linearize_known(self.project, found)[0]
                for method in owner.methods.values()
            )
        return False
