"""Pages in Markdown, wrapped for a terminal."""

from __future__ import annotations

import textwrap

MAX_WIDTH = 100
"""Longer lines are hard to read, however wide the terminal is."""


def wrap_page(markdown: str, width: int) -> str:
    """Return the page with its paragraphs filled to a width; code and tables keep their lines, code is indented."""
    width = max(20, min(width, MAX_WIDTH))
    out: list[str] = []
    paragraph: list[str] = []
    in_code = False
    for line in markdown.splitlines():
        fence = line.startswith("```")
        starts_new = not line or fence or in_code or line.startswith(("#", "|", "- "))
        if starts_new and paragraph:
            out += _filled(paragraph, width)
            paragraph = []
        if fence:
            in_code = not in_code
        elif in_code:
            out.append(f"    {line}".rstrip())
        elif not line or line.startswith(("#", "|")):
            out.append(line)
        else:
            paragraph.append(line)
    return "\n".join(out + _filled(paragraph, width)) + "\n"


def _filled(lines: list[str], width: int) -> list[str]:
    text = " ".join(line.strip() for line in lines)
    hanging = "  " if text.startswith("- ") else ""
    return textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
