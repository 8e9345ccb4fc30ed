from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET

from gradsan.report import svg

from .told import FINDINGS, lines_of, report


def test_the_picture_shows_the_text() -> None:
    picture = svg.render(report(FINDINGS["one_file"]), lines_of=lines_of, title="gradsan run train.py")
    root = ET.fromstring(picture)
    assert root.tag.endswith("svg")
    shown = html.unescape(re.sub(r"<[^>]+>", "", picture)).replace("\N{NO-BREAK SPACE}", " ")
    assert "gradsan run train.py" in shown
    assert "modified here: version 0 -> 1" in shown


def test_the_same_report_gives_the_same_bytes() -> None:
    told = report(FINDINGS["one_file"])
    assert svg.render(told, lines_of=lines_of) == svg.render(told, lines_of=lines_of)
