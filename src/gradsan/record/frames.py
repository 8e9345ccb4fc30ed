"""Which frame is the user's, and where in the source it stands."""

from __future__ import annotations

import os
import sys
import sysconfig
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import CodeType, FrameType, TracebackType

from gradsan.model.span import Span

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STDLIB = tuple(
    os.path.normpath(path) + os.sep for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")} if path
)
_PACKAGES = ("site-packages", "dist-packages")
_GENERATED = ("<frozen ", "<eval_with_key>", "<__array_function__", "<attrs generated", "<torch_package")


def is_ours(filename: str) -> bool:
    """Return whether a file is one of this package."""
    return filename.startswith(_OURS)


def is_installed(filename: str) -> bool:
    """Return whether a file belongs to an installed package, not to the program itself."""
    return any(part in filename for part in _PACKAGES)


class UserCode:
    """Tells the user's files from the framework's, the standard library's and ours; answers are kept by file name.

    Not by code object: hashing one walks all its constants, every time.
    ``foreign_folders`` each end in a separator; ``foreign_marks`` are parts of the names of generated files.
    ``handlers`` name functions of the user's through which the framework passes every operation of a tensor subclass:
    what they call on is told as made by the line that used the subclass.
    ``compiled_mark`` begins a name that code has which a compiler made of the user's; see `is_compiled`.  ``compiler``
    is the module that makes such code: until it is imported, there is none.
    """

    __slots__ = (
        "_compiled",
        "_compiled_mark",
        "_foreign_folders",
        "_foreign_marks",
        "answers",
        "compiler",
        "handlers",
        "installed",
        "on_new_file",
        "users",
    )

    def __init__(
        self,
        *,
        foreign_folders: tuple[str, ...] = (),
        foreign_marks: tuple[str, ...] = (),
        handlers: frozenset[str] = frozenset(),
        compiled_mark: str = "",
        compiler: str = "",
    ) -> None:
        self.handlers = handlers
        self.compiler = compiler
        self._compiled_mark = compiled_mark
        self._compiled: dict[int, tuple[weakref.ref[CodeType], bool]] = {}
        self._foreign_folders = (*foreign_folders, _OURS)
        self._foreign_marks = foreign_marks
        self.answers: dict[str, bool] = {}
        """What was asked before, for hot paths to read."""
        self.users: set[str] = set()
        """The names of the user's files among ``answers``."""
        self.installed: set[str] = set()
        """Those among ``users`` that belong to installed packages."""
        self.on_new_file: Callable[[str], None] = lambda _filename: None
        """Told each of the user's files when it is first met."""

    def __call__(self, code: CodeType) -> bool:
        """Return whether a code object is the user's."""
        filename = code.co_filename
        answer = self.answers.get(filename)
        if answer is None:
            answer = self.answers[filename] = self._judge(filename)
            if answer:
                self.users.add(filename)
                if is_installed(filename):
                    self.installed.add(filename)
                self.on_new_file(filename)
        return answer

    def is_followed(self, code: CodeType) -> bool:
        """Return whether what code runs is told at its own lines, not at those of who called it."""
        return self(code) and code.co_name not in self.handlers and not self.is_compiled(code)

    def is_compiled(self, code: CodeType) -> bool:
        """Return whether a compiler made this code of the user's: all of it stands on the line of the ``def``.

        What it calls is told as made by the line that called it.
        """
        key = id(code)
        known = self._compiled.get(key)
        if known is None:
            mark, compiled = self._compiled_mark, self._compiled
            is_compiled = bool(mark) and any(name.startswith(mark) for name in code.co_names)
            known = compiled[key] = weakref.ref(code, lambda _: compiled.pop(key, None)), is_compiled
        return known[1]

    def forget(self) -> None:
        """Forget the answers: each of the user's files is met for the first time again."""
        self.answers.clear()
        self.users.clear()
        self.installed.clear()

    def _judge(self, filename: str) -> bool:
        if filename.startswith(_GENERATED) or filename.startswith(self._foreign_folders):
            return False
        if any(mark in filename for mark in self._foreign_marks):
            return False
        if filename.startswith(_STDLIB):
            return is_installed(filename)
        return True

    def innermost(self, frame: FrameType | None) -> FrameType | None:
        """Return the first frame of user code at or above ``frame``."""
        answers = self.answers
        while frame is not None:
            code = frame.f_code
            if answers.get(code.co_filename) is not False and self.is_followed(code):
                return frame
            frame = frame.f_back
        return None

    def of_program(self, frame: FrameType | None) -> FrameType | None:
        """Return the first frame of the program itself at or above ``frame``: installed packages are passed over."""
        frame = self.innermost(frame)
        while frame is not None and is_installed(frame.f_code.co_filename):
            frame = self.innermost(frame.f_back)
        return frame

    def innermost_of_traceback(self, traceback: TracebackType | None) -> Site | None:
        """Return the innermost place of user code that an exception passed through."""
        site = None
        while traceback is not None:
            if self(traceback.tb_frame.f_code):
                site = Site(traceback.tb_frame.f_code, traceback.tb_lasti)
            traceback = traceback.tb_next
        return site


@dataclass(frozen=True, slots=True)
class Site:
    """A place in running code: cheap to keep, turned into a span only when it is told.

    ``offset`` is the byte offset of an instruction, or -1 where only the line is known.
    """

    code: CodeType
    offset: int
    line: int = 0

    @property
    def line_number(self) -> int:
        """The line."""
        return self.line if self.offset < 0 else _line_of(self.code, self.offset)

    def span(self) -> Span:
        """Return the place in the source; an empty span (end equals start) where the column is unknown."""
        return _span_of(self.code, self.offset, self.line)


def site_at(code: CodeType, position: int) -> Site:
    """Return the site of a position: a line number, or ``-1 - offset`` of an instruction."""
    return Site(code, -1, position) if position >= 0 else Site(code, -1 - position)


def span_of(site: Site | None) -> Span | None:
    """Return a site's place in the source; None for none."""
    return None if site is None else site.span()


def current_site(user_code: UserCode) -> Site | None:
    """Return where the user's code stands now, seen from the caller of this function."""
    frame = user_code.innermost(sys._getframe(1))
    return None if frame is None else Site(frame.f_code, frame.f_lasti)


def site_in_program(user_code: UserCode, site: Site | None) -> Site | None:
    """Return the program's own line that led to where an installed package stands now; None where none is between."""
    if site is None or not is_installed(site.code.co_filename):
        return None
    frame = user_code.of_program(sys._getframe(1))
    return None if frame is None else Site(frame.f_code, frame.f_lasti)


@cache
def _positions(code: CodeType) -> tuple[tuple[int | None, int | None, int | None, int | None], ...]:
    # `co_positions` is new in 3.11; before, only lines are known.
    if not hasattr(code, "co_positions"):
        return ()
    return tuple(code.co_positions())


def _line_of(code: CodeType, offset: int) -> int:
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if number is not None and start <= offset < end:
            return number
        if number is not None and start <= offset:
            line = number
    return line


def _span_of(code: CodeType, offset: int, line: int) -> Span:
    path = code.co_filename if code.co_filename.startswith("<") else os.path.abspath(code.co_filename)
    function = getattr(code, "co_qualname", code.co_name)
    if offset >= 0:
        positions = _positions(code)
        if offset // 2 < len(positions):
            first, last, column, end_column = positions[offset // 2]
            if first is not None and last is not None and column is not None and end_column is not None:
                start = _characters(path, first, column)
                return Span(path, first, start + 1, last, _characters(path, last, end_column) + 1, function)
        line = _line_of(code, offset)
    return Span(path, line, 1, line, 1, function)


def _characters(path: str, line: int, column_bytes: int) -> int:
    """Turn a column in UTF-8 bytes, as the interpreter counts, into one in characters."""
    import linecache  # only when a finding is told

    text = linecache.getline(path, line)
    if text.isascii():
        return column_bytes
    return len(text.encode("utf-8")[:column_bytes].decode("utf-8", errors="replace"))
