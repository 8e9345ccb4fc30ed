"""What einops gives: views, copies, and what the memory layout decides."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

WRITTEN = """\
from einops import rearrange

def shifted(x):
    y = x.sigmoid()
    z = rearrange(y, {pattern})
    z += 1
    return z
"""
VIEWS = [
    '"b n (h d) -> b h n d", h=2',
    '"b n d -> b d n"',
    '"b n d -> b () n d"',
    '"b n d -> b (n d)"',
    'pattern="a b -> b a"',
]
COPIES = ['"b h n d -> b n (h d)"', '"b (h w) c -> c (w h b)", h=2']
LAYER = """\
from einops.layers.torch import Rearrange

class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.flat = nn.Sequential(nn.Conv2d(3, 8, 1), nn.{activation}(), Rearrange("b c h w -> b (h w) c"))
        self.place = nn.Parameter(torch.zeros(8))

    def forward(self, x):
        x = self.flat(x)
        x += self.place
        return x
"""
HEADS = """\
from einops import rearrange

class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = self.parts(x).chunk(3, dim=-1)
        q, k, v = map(lambda t: rearrange(t, {pattern}, h=2), (q, k, v))
        q *= 0.5
        return q @ k @ v
"""


@pytest.mark.parametrize("pattern", VIEWS)
def test_a_view_of_what_was_saved_is_written(tmp_path: Path, pattern: str) -> None:
    assert errors(tmp_path, WRITTEN.format(pattern=pattern)) == {("GS106", 6)}


@pytest.mark.parametrize("pattern", COPIES)
def test_a_copy_is_written(tmp_path: Path, pattern: str) -> None:
    assert errors(tmp_path, WRITTEN.format(pattern=pattern)) == set()


@pytest.mark.parametrize(("activation", "expected"), [("ReLU", {("GS106", 11)}), ("SiLU", set())])
def test_a_layer_rearranges(tmp_path: Path, activation: str, expected: set[tuple[str, int]]) -> None:
    assert errors(tmp_path, LAYER.format(activation=activation)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"), [('"b n (h d) -> b h n d"', {("GS203", 11)}), ('"b n (h d) -> (b h) n d"', set())]
)
def test_one_of_several_views_is_rearranged(tmp_path: Path, pattern: str, expected: set[tuple[str, int]]) -> None:
    assert errors(tmp_path, HEADS.format(pattern=pattern)) == expected


def test_a_list_is_stacked(tmp_path: Path) -> None:
    source = WRITTEN.replace("rearrange(y, {pattern})", 'rearrange([y, y], "k b n -> b n k")')
    assert errors(tmp_path, source) == set()


REPEATED = """\
from einops import reduce, repeat

class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(2, 8))

    def forward(self, x):
        y = {made}
        z = y.exp()
        {written} *= 2
        return y, z
"""


@pytest.mark.parametrize(
    ("made", "written", "found"),
    [
        ('repeat(self.token, "n d -> b n d", b=3)', "y", {("GS202", 11)}),
        ('repeat(self.token, "n d -> b (n d)", b=3)', "y", {("GS202", 11)}),
        ('repeat(self.token, "n d -> (b n) d", b=3)', "z", {("GS101", 11)}),
        ('repeat(self.token, "n d -> (b n) d", b=3) + 1', "x", set()),
        ('reduce(x, "b n d -> b d", "mean")', "y", set()),
        ('reduce(x, "b n d -> b d", "mean")', "x", set()),
        ('reduce(x, "b n d -> b d", "max")', "x", {("GS101", 11)}),
    ],
)
def test_what_is_repeated_or_reduced(tmp_path: Path, made: str, written: str, found: set[object]) -> None:
    assert errors(tmp_path, REPEATED.format(made=made, written=written)) == found
