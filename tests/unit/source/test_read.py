from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradsan.model.errors import SourceError
from gradsan.source.read import decode, read_source


def test_encodings() -> None:
    assert decode("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "a.py").endswith("x = 'é'\n")
    assert decode(b"\xef\xbb\xbfx = 1\r\n", "a.py") == "x = 1\n"


@pytest.mark.parametrize("data", [b"# coding: nonsense\n", b"x = '\xff'\n"])
def test_what_cannot_be_decoded_is_said(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"a\.py:1: can't be decoded"):
        decode(data, "a.py")


def test_notebook() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# title"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"]},
        {"cell_type": "code", "source": "%%bash\nls"},
        {"cell_type": "code", "source": "if x:\n    !ls\n"},
    ]
    text = decode(json.dumps({"cells": cells}).encode(), "a.ipynb", is_notebook=True)
    assert text.split("\n") == ["pass", "x = 1", "", "", "if x:", "    pass", "", ""]


def test_not_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    with pytest.raises(SourceError, match="not a notebook"):
        read_source(tmp_path / "a.ipynb")
