"""``# gradsan: allow[NAME] reason``: findings that the source says are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMENT = r"#\s*gradsan:\s*allow\[(?P<names>[^\]]*)\]\s*(?P<reason>.*)"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One comment: the rules that it allows, and the line that it speaks about."""

    line: int
    column: int
    end_column: int
    names: tuple[str, ...]
    reason: str
    target: int
    """The comment's own line, or the next line of code where the comment stands alone."""


def find_suppressions(text: str) -> tuple[Suppression, ...]:
    """Return the suppressions of a source text; they stand in comments only, never in strings."""
    if "gradsan:" not in text:
        return ()
    import io  # most programs have none
    import tokenize

    found: list[Suppression] = []
    waiting: list[Suppression] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                match = re.match(_COMMENT, token.string)
                if match is None:
                    continue
                names = tuple(name.strip().lower() for name in match["names"].split(",") if name.strip())
                line, column = token.start
                alone = not token.line[:column].strip()
                made = Suppression(line, column + 1, token.end[1] + 1, names, match["reason"].strip(), line)
                (waiting if alone else found).append(made)
            elif waiting and token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                found += [_at(made, token.start[0]) for made in waiting]
                waiting = []
    except (tokenize.TokenError, SyntaxError):
        return tuple(found)
    return tuple(sorted([*found, *waiting], key=lambda made: made.line))


def _at(made: Suppression, line: int) -> Suppression:
    return Suppression(made.line, made.column, made.end_column, made.names, made.reason, line)
