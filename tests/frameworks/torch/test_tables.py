"""Tables of functions, the framework's and a program's own, hold the originals although the recorder wraps some."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gradsan.frameworks.torch import doors  # noqa: E402

PROGRAM = """
import torch

with torch.device("meta"):
    print([make(2).device.type for make in (torch.zeros, torch.ones, torch.empty, torch.rand, torch.arange)])
    print(torch.tensor([1.0], requires_grad=True).device.type)
torch.set_default_device("meta")
print(torch.full((2,), 1.0).device.type)
torch.set_default_device("cpu")

TABLE = {}

def implements(function):
    return lambda ours: TABLE.setdefault(function, ours)

class Unit(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in TABLE:
            return TABLE[function](*args)
        return super().__torch_function__(function, types, args, kwargs)

@implements(torch.add)
def add(*args):
    return "the table's"

@implements(torch.Tensor.mul_)
def mul_(*args):
    return "the table's"

unit = torch.ones(2).as_subclass(Unit)
result = torch.empty(2)
torch.sub(torch.ones(2), 1, out=result)
print(torch.add(unit, 1), unit.mul_(2))
for function in (torch.sub, torch.add, torch.Tensor.mul_, torch.Tensor.__setitem__, torch.zeros):
    print(torch.overrides.resolve_name(function))
print(sorted(name for name in map(str, torch.overrides.get_overridable_functions()[torch.Tensor]) if "gradsan" in name))
"""


def test_a_program_finds_the_framework_s_and_its_own_tables_as_they_were(tmp_path: Path) -> None:
    """In a fresh process: the framework makes its tables when it is first asked, and this program asks first."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    plain, watched = (
        subprocess.run([sys.executable, *tool, str(script)], capture_output=True, text=True, check=True).stdout
        for tool in ((), ("-m", "gradsan", "run"))
    )
    expected = plain.replace("torch.sub\n", "None\n")  # what the program calls with `out=` is wrapped
    assert "meta" in plain
    assert "the table's the table's" in plain
    assert watched.startswith(expected)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("torch.add(a, b, out=c)", ["add"]),
        ("th.mul(f(a, g(b)),\n    2,\n    out = c)", ["mul"]),
        ("torch.linalg.inv(a, out=b)", ["inv"]),
        ("from torch import sub\nsub(a, b, out=c)", ["sub"]),
        ("outer(torch.exp(a), torch.abs(b, out=c))", ["abs"]),
        ("out = torch.add(a, b)", []),
        ("torch.add(a, b if out == c else d)", []),
        ("torch.add(a, b, layout=c)", []),
        ("unknown(a, out=c)", []),
        ("torch.Tensor(out=c)", []),
    ],
)
def test_only_what_is_called_with_out_is_given_it(source: str, names: list[str]) -> None:
    """The nearest enclosing calls alone count, in whatever namespace of the framework they are."""
    found = list(doors.functions_given_out(source))
    assert [name for _, name in found if name != "outer"] == names
    assert all(callable(getattr(namespace, name)) for namespace, name in found)
