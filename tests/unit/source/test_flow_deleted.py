"""What is known of containers that something was deleted from, and of names written with ``%``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

NET = """\
class Net(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        parts = {"act": nn.Sigmoid(), "lin": nn.Linear(3, 3)}
        things = [nn.Linear(3, 3), nn.Sigmoid()]
        FIRST
        self.parts = nn.Sequential(THINGS)

    def forward(self, x):
        h = self.parts(x)
        h += 1
        return h
"""
QUIET = [
    pytest.param("del things[1]", "*things", id="from a list"),
    pytest.param("del things[-1]", "*things", id="from its end"),
    pytest.param("del things[1:]", "*things", id="a slice"),
    pytest.param("del things[n:]", "*things", id="a slice that is not known"),
    pytest.param('parts["end"] = nn.Sigmoid(); del parts["end"]', "parts", id="from a dict"),
    pytest.param('parts["%s%d" % ("e", 1)] = nn.Sigmoid(); del parts["e1"]', "parts", id="a name written with %"),
    pytest.param('parts["end"] = nn.Sigmoid(); parts.pop("end")', "parts", id="popped"),
    pytest.param('parts["end"] = nn.Sigmoid()\n        if "act" in parts: del parts["end"]', "parts", id="in it"),
    pytest.param("parts['end%d' % n] = nn.Sigmoid(); del parts['end%d' % n]", "parts", id="a name that is not known"),
]
LOUD = [
    pytest.param('parts["end"] = parts.pop("act")', "parts", id="put at the end"),
    pytest.param("del things[0]", "*things", id="another item of a list"),
    pytest.param('parts["end"] = nn.Sigmoid(); del parts["act"]', "parts", id="another one of a dict"),
    pytest.param('parts["e%d" % 1] = nn.Linear(3, 3); parts["e1"] = nn.Sigmoid()', "parts", id="replaced by its name"),
]


@pytest.mark.parametrize(("first", "things"), QUIET)
def test_what_was_deleted_does_not_run(tmp_path: Path, first: str, things: str) -> None:
    assert not errors(tmp_path, NET.replace("FIRST", first).replace("THINGS", things))


@pytest.mark.parametrize(("first", "things"), LOUD)
def test_what_is_left_runs(tmp_path: Path, first: str, things: str) -> None:
    assert errors(tmp_path, NET.replace("FIRST", first).replace("THINGS", things))


POPPED = """\
def guarded(*sizes, **settings):
    asked = settings.pop("requires_grad", False)
    t = torch.empty(*sizes, **settings)
    t.fill_(0.5)
    if asked:
        t.requires_grad_(True)
    return t

def f():
    h = guarded(2, 3, SETTINGS)
    return h.exp()
"""


def test_what_was_popped_is_not_passed_on(tmp_path: Path) -> None:
    assert not errors(tmp_path, POPPED.replace("SETTINGS", "requires_grad=True"))
