"""``h += e`` -> ``h = h + e``."""

from __future__ import annotations

import ast
import re

from gradsan.model.rewrite import Edit
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import between

_OPERATOR = re.compile(r"(//|\*\*|<<|>>|[-+*/%@&|^])=")
_COMMENT = re.compile(r"#.*")

# How tightly an operator binds; an operand that binds no tighter needs parentheses on the right, because floating-point
# arithmetic is not associative.
_STRENGTH: dict[type[ast.operator], int] = {
    ast.BitOr: 1,
    ast.BitXor: 2,
    ast.BitAnd: 3,
    ast.LShift: 4,
    ast.RShift: 4,
    ast.Add: 5,
    ast.Sub: 5,
    ast.Mult: 6,
    ast.Div: 6,
    ast.FloorDiv: 6,
    ast.Mod: 6,
    ast.MatMult: 6,
    ast.Pow: 8,
}
_LOOSE = (ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Starred)


def rewrite(program: Program, node: ast.AugAssign, path: str) -> tuple[Edit, ...]:
    """Return the edit; none where the target is not a plain name."""
    name = dotted_name(node.target)
    middle = between(program, node.target, node.value)
    operator = _OPERATOR.search(middle)
    if not name or operator is None:
        return ()
    region = program.region(node)
    value = program.text_at((*program.region(node.target)[2:], *region[2:]))
    given = value[operator.end() :]
    lead = given[: len(given) - len(given.lstrip())]
    body = given[len(lead) :]
    if needs_parentheses(program, node):
        body = f"({body})"
    return (Edit(path, *region, f"{name} = {name} {operator[1]}{lead or ' '}{body}"),)


def needs_parentheses(program: Program, node: ast.AugAssign) -> bool:
    """Whether the right side must be put in parentheses to stay one operand."""
    value = node.value
    before = _COMMENT.sub("", between(program, node.target, value))
    if "(" in before[before.index("=") :]:
        return False
    if isinstance(value, ast.Tuple):
        return not program.source(value).startswith("(")
    if isinstance(value, ast.BinOp):
        return _STRENGTH[type(value.op)] <= _STRENGTH[type(node.op)]
    if isinstance(value, ast.UnaryOp):
        return isinstance(value.op, ast.Not)
    return isinstance(value, _LOOSE)
