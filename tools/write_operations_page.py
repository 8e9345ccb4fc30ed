"""Write docs/operations.html from the operation table; with `--check`, say whether it is out of date."""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path
from typing import Any

from gradsan import knowledge
from gradsan.knowledge import Operation, Table
from gradsan.tasks import operation_page

PAGE = Path(__file__).parents[1] / "docs" / "operations.html"

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What every operation saves, writes and aliases</title>
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }}
code {{ font-size: 0.92em; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.3rem 0.6rem; border-bottom: 1px solid #8884; }}
th {{ position: sticky; top: 0; background: Canvas; }}
input {{ font: inherit; padding: 0.4rem 0.6rem; width: 24rem; max-width: 100%; }}
details ul {{ margin: 0.2rem 0; padding-left: 1.2rem; }}
:root {{ color-scheme: light dark; }}
</style>
<h1>What every operation saves, writes and aliases</h1>
<p>{framework} {version}, {count} operations. A saved tensor must not be modified in place before backward.
The columns describe the call with default arguments; where other arguments change them, the row opens.</p>
{agreement}
{agreement}<p><input id="search" type="search" placeholder="sigmoid, saves result, views ..." autofocus
 aria-label="Search"> <span id="shown"></span></p>
<table>
<thead><tr><th>operation<th>saves<th>writes<th>result shares storage with<th>in-place twin<th>node</thead>
<tbody>
"""

TAIL = """</tbody>
</table>
<script>
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map(row => row.textContent.toLowerCase());
const search = document.getElementById("search");
function filter() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, i) => {
    row.hidden = !words.every(word => texts[i].includes(word));
    shown += !row.hidden;
  });
  document.getElementById("shown").textContent = shown + " shown";
}
search.addEventListener("input", filter);
search.value = decodeURIComponent(location.hash.slice(1));
filter();
</script>
</html>
"""


def page(table: Table) -> str:
    """Return the page."""
    shown = [operation for operation in table.operations() if operation_page.is_public(operation)]
    agreement = _agreement(knowledge.agreement(table))
    head = HEAD.format(framework=table.framework, version=table.version, count=len(shown), agreement=agreement)
    return head + "".join(map(_row, shown)) + TAIL


def _agreement(counts: dict[str, Any]) -> str:
    """Say how the table was held against the engine, and what came of it."""
    if not counts:
        return ""
    lines = [
        f"<li>{escape(n['title'])}: {n['judged']} judged on {n['calls']} calls; {n['exact']} agree exactly,"
        f" {n['within_maybe']} stay within what the table says may be, {n['listed']} differ as listed,"
        f" {n['disagree']} disagree"
        for n in counts["sections"]
    ]
    exceptions = [f"<li><code>{escape(name)}</code>: {escape(why)}" for name, why in counts["exceptions"].items()]
    never = [f"<li><code>{escape(name)}</code>: {escape(why)}" for name, why in counts["never_judged"].items()]
    return (
        "<details><summary>How far it agrees with the engine</summary>\n"
        "<p>Each sample of torch's own test databases is run on a CPU; what the graph holds is compared with the row,"
        f" and each tensor is written between forward and backward: {counts['writes']} writes,"
        f" {counts['refused']} refused.</p>\n<ul>{''.join(lines)}</ul>\n"
        f"<p>They differ in:</p>\n<ul>{''.join(exceptions)}</ul>\n"
        f"<p>In the databases, but not judged:</p>\n<ul>{''.join(never)}</ul>\n</details>"
    )


def _row(operation: Operation) -> str:
    cells = (
        _name(operation),
        escape(operation_page.says_saves(operation).removeprefix("saves ")).replace("`", ""),
        _codes(_shown(operation, operation.writes)),
        _shares(operation),
        _codes([operation.inplace or operation.out_of_place or ""]),
        _codes([operation.backward or ""]),
    )
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>\n"


def _name(operation: Operation) -> str:
    name = f"<code>{escape(operation_page.spelled(operation))}</code>"
    told = operation_page.case_lines(operation) if len(operation.cases) > 1 else []
    told += [operation.note] if operation.note else []
    if not told:
        return name
    lines = "".join(f"<li>{escape(line.replace('`', ''))}" for line in told)
    return f"<details><summary>{name}</summary><ul>{lines}</ul></details>"


def _shares(operation: Operation) -> str:
    if not operation.aliases:
        return "the input, perhaps" if operation.may_return_input else ""
    kind = {"none": "", "single": " (a view)", "several": " (views)", "multiple": " (views, not to be written)"}[
        operation.views
    ]
    return f"{_codes(_shown(operation, operation.aliases))}{kind}{', perhaps' if operation.may_return_input else ''}"


def _shown(operation: Operation, names: tuple[str, ...]) -> list[str]:
    return [operation_page.shown(operation, name) for name in names]


def _codes(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names if name)


def main() -> int:
    """Effect: writes the page; with `--check`, only compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when the page would change")
    wanted = page(knowledge.load("torch"))
    if not parser.parse_args().check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print("docs/operations.html is out of date; tools/write_operations_page.py writes it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
