"""The operation table of one framework version: look-up by any name that people, schemas or graphs use."""

from __future__ import annotations

import json
import re
from functools import cache, cached_property
from typing import Any, Final

from gradsan.knowledge.node_names import operand_of_attribute, operation_of_node
from gradsan.knowledge.operation import Operation
from gradsan.knowledge.rows import decode_operation
from gradsan.knowledge.versions import TABLES, numbers, versions
from gradsan.model.errors import UsageError

_NAMESPACES: Final = (
    "",
    "Tensor.",
    "nn.functional.",
    "nn.",
    "special.",
    "linalg.",
    "fft.",
    "autograd.",
    "distributed.",
)
"""Where a bare name is looked for, in this order."""

_SPELLINGS: Final = (
    (r"^torch\.ops\.aten\.([^.]+)\.default$", r"aten::\1"),
    (r"^torch\.ops\.([^.]+)\.", r"\1::"),
    (r"^(torch\.)?aten\.", "aten::"),
    (r"^(torch\.)?F\.", "nn.functional."),
    (r"^(torch\.)?nn\.modules\.(\w+\.)+", "nn."),
    (r"^torch\.(_C\._nn|_C\._VariableFunctions|_VF|_refs|_C\.TensorBase|_tensor\.Tensor)\.", ""),
    (r"^torch\.", ""),
)
"""Compiled when a name is first spelled in a rare way."""

_RARE: Final = (
    *("aten.", "F.", "nn.modules.", "torch.aten.", "torch.F.", "torch.nn.modules."),
    *("torch.ops.", "torch._"),
)
"""How names begin that any spelling but the last one is about."""

_MUTATING_SPACES = ("torch.Tensor", "torch", "torch.nn.functional", "torch.nn.init")


class Table:
    """What every operation of one framework version saves, writes and aliases.

    Example:
        >>> from gradsan import knowledge
        >>> table = knowledge.load("torch")
        >>> table.lookup("torch.sigmoid").saves_result
        True
        >>> table.lookup("torch.nn.functional.gelu").saves_inputs
        ('input',)
    """

    def __init__(self, text: str, *, framework: str, version: str) -> None:
        self.framework = framework
        self.version = version
        self._text = text
        self._decoded: dict[str, Operation] = {}
        self._found: dict[str, Operation | None] = {}
        self._mutating: dict[str, bool] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of all operations, in order."""
        return tuple(self._lines)

    def operations(self) -> tuple[Operation, ...]:
        """Return every operation; decodes the whole table."""
        return tuple(self._operation(name) for name, line in self._lines.items() if not _is_alias(line))

    def lookup(self, name: str) -> Operation | None:
        """Return the operation of a name; None when the table doesn't know it.

        Args:
            name: ``torch.sigmoid``, ``torch.Tensor.add_``, ``F.gelu``, ``nn.Dropout``, ``torch.linalg.norm``,
                ``aten::mul.Tensor``, ``SigmoidBackward0``, or a bare ``sigmoid``.
        """
        if name not in self._found:
            node = self.by_node(name) if name.rstrip("0123456789").endswith("Backward") else None
            found = self._find(name) if node is None else None
            self._found[name] = node if found is None else self._operation(found)
        return self._found[name]

    def mutates(self, name: str) -> bool:
        """Return whether a method of a tensor, or a function, of this last name writes what it is given first, always.

        Args:
            name: ``add_``, ``__iadd__``, ``relu_``, ``xavier_uniform_``: without the namespace.
        """
        known = self._mutating.get(name)
        if known is None:
            known = self._mutating[name] = any(self._writes(f"{space}.{name}") for space in _MUTATING_SPACES)
        return known

    def _writes(self, name: str) -> bool:
        """Return whether an operation writes what it is given; most lines say at a glance that it doesn't."""
        found = self._find(name)
        if found is None or not (_is_alias(self._lines[found]) or '"writes"' in self._lines[found]):
            return False
        return bool(self._operation(found).writes)

    def by_node(self, node: str) -> Operation | None:
        """Return the operation that a node of the graph belongs to; None when the table doesn't know the node."""
        line = self._nodes.get(node)
        if line is None:
            return None
        found = self._find(json.loads(line)["operation"])
        return None if found is None else self._operation(found)

    def saved_operand(self, node: str, attribute: str) -> tuple[str, str]:
        """Return what a saved variable of a node is, in the user's terms.

        Args:
            node: The node's type name, ``AddmmBackward0``.
            attribute: The attribute that holds the variable, ``_saved_mat2`` (or ``_raw_saved_mat2``).

        Returns:
            The operation and the operand (``result``, or the argument's name); for a node that the table doesn't
            know, as the names themselves tell.

        Example:
            >>> from gradsan import knowledge
            >>> knowledge.load().saved_operand("SigmoidBackward0", "_saved_result")
            ('sigmoid', 'result')
        """
        operand = operand_of_attribute(attribute)
        line = self._nodes.get(node)
        if line is None:
            return operation_of_node(node), operand
        row = json.loads(line)
        return row["operation"], row.get("saved", {}).get(operand, operand)

    def nearest(self, name: str, *, limit: int = 5) -> tuple[str, ...]:
        """Return the known names that look most like the given one, best first."""
        wanted = _canonical(name)
        last = wanted.rpartition(".")[2]
        by_last: dict[str, list[str]] = {}
        for known in self._lines:
            bare = known.rpartition(".")[2]
            is_private = bare.startswith("_") and not bare.endswith("__")
            if "::" not in known and not is_private and known.removeprefix("Tensor.") not in by_last.get(bare, ()):
                by_last.setdefault(bare, []).append(known)
        close = [n for bare, names in by_last.items() if _squashed(bare) == _squashed(last) for n in names]
        public = [n for names in by_last.values() for n in names]
        from difflib import get_close_matches  # only asked for where a name is unknown

        close += get_close_matches(wanted, public, n=limit, cutoff=0.7)
        close += [n for bare in get_close_matches(last, by_last, n=limit, cutoff=0.6) for n in by_last[bare]]
        return tuple(dict.fromkeys(close))[:limit]

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The names of all nodes that the table knows."""
        return tuple(self._nodes)

    def _find(self, name: str) -> str | None:
        wanted = _canonical(name)
        if wanted in self._lines:
            return wanted
        if wanted.startswith("Tensor."):
            bare = wanted.removeprefix("Tensor.")
            return bare if bare in self._lines and "." not in bare else None
        if wanted.startswith("aten::"):
            overloads = [n for n in self._lines if n.startswith(f"{wanted}.")]
            return next((n for n in overloads if n.endswith(".Tensor")), next(iter(overloads), None))
        if "." in wanted:
            return None
        return next((space + wanted for space in _NAMESPACES if space + wanted in self._lines), None)

    def _operation(self, name: str) -> Operation:
        if name not in self._decoded:
            line = self._lines[name]
            if _is_alias(line):
                self._decoded[name] = self._operation(json.loads(line)["same_as"])
            else:
                self._decoded[name] = decode_operation(line)
        return self._decoded[name]

    @cached_property
    def _lines(self) -> dict[str, str]:
        return self._index("name")

    @cached_property
    def _nodes(self) -> dict[str, str]:
        return self._index("node")

    def _index(self, kind: str) -> dict[str, str]:
        """Return the lines of a kind by name; see NOTE [Table file]."""
        head = f'{{"{kind}":"'
        start = len(head)
        return {line[start : line.index('"', start)]: line for line in self._text.split("\n") if line.startswith(head)}


def _is_alias(line: str) -> bool:
    return '","same_as":"' in line


def load(framework: str = "torch", version: str | None = None) -> Table:
    """Return the table of a framework, for the version nearest to the given one (the newest without one).

    Effect: reads one file, once.

    Raises:
        UsageError: There is no table for the framework.
    """
    known_versions = versions(framework)
    if not known_versions:
        known = sorted({path.name.partition("-")[0] for path in TABLES.glob("*.jsonl")})
        raise UsageError(f"no operation table for framework `{framework}`; there is one for {', '.join(known)}")
    return _load(framework, _nearest(version, known_versions))


def agreement(table: Table) -> dict[str, Any]:
    """Return the counts of how far a table agrees with its engine, as they were when it was last verified.

    Effect: reads one file.

    Returns:
        ``sections``, ``writes``, ``refused``, ``exceptions``, ``never_judged``, and the ``table_sha256`` that they
        belong to; empty for a table that was never verified.
    """
    path = TABLES / f"{table.framework}-{table.version}.agreement.json"
    counts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return counts


@cache
def _load(framework: str, version: str) -> Table:
    text = (TABLES / f"{framework}-{version}.jsonl").read_text(encoding="utf-8")
    return Table(text, framework=framework, version=version)


def _nearest(wanted: str | None, known: tuple[str, ...]) -> str:
    """Return the newest version that isn't newer than the wanted one; the oldest when all are newer."""
    if wanted is None:
        return known[-1]
    older = [v for v in known if numbers(v) <= numbers(wanted)]
    return older[-1] if older else known[0]


def _squashed(name: str) -> str:
    """Return a name without what people mistype most: capitals and underscores."""
    return name.replace("_", "").lower()


def _canonical(name: str) -> str:
    name = name.strip().removesuffix("()")
    if not name.startswith(_RARE):
        return name.removeprefix("torch.")
    for pattern, replacement in _SPELLINGS:
        name = re.sub(pattern, replacement, name)
    return name
