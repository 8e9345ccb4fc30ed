"""Reading source files: encodings, notebooks."""

from __future__ import annotations

from pathlib import Path

from gradsan.model.errors import SourceError

MAX_BYTES = 4_000_000
"""Larger files are generated data, not programs."""


def read_source(path: Path) -> str:
    """Return the Python text of a file; of a notebook, its code cells with other cells as empty lines.

    Effect: reads the file.

    Raises:
        SourceError: The file can't be read, or its encoding is unknown.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise SourceError(f"{path}: larger than {MAX_BYTES} bytes")
    return decode(data, str(path), is_notebook=path.suffix == ".ipynb")


def decode(data: bytes, path: str, *, is_notebook: bool = False) -> str:
    """Return the Python text of a file's bytes."""
    if is_notebook:
        return notebook_text(data, path)
    text = _decode_usual(data)
    if text is None:
        text = _decode_any(data, path)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decode_usual(data: bytes) -> str | None:
    """Return the text of a file that declares no encoding; None where it does, or can't be decoded."""
    if any(b"coding" in line for line in data.split(b"\n", 2)[:2]):
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _decode_any(data: bytes, path: str) -> str:
    import io  # few files need what this loads
    import tokenize

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise SourceError(f"{path}:1: can't be decoded: {error}") from None


def notebook_text(data: bytes, path: str) -> str:
    """Return the code of a notebook as one program; lines count through the code cells.

    Lines that only the shell or a magic understands become empty ones.
    """
    import json  # most programs are no notebooks

    try:
        cells = json.loads(data)["cells"]
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"{path}:1: not a notebook") from None
    lines: list[str] = []
    for cell in cells:
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        text = "".join(source) if isinstance(source, list) else str(source)
        if text.lstrip().startswith("%%"):
            lines += ["" for _ in text.split("\n")]
            continue
        lines += [
            line[: len(line) - len(line.lstrip())] + "pass" if line.lstrip()[:1] in ("%", "!") else line
            for line in text.split("\n")
        ]
    return "\n".join(lines) + "\n"
