"""What becomes of values where paths meet, and of results that are laid out or handed back in their own way."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

MANY = """\
class Loss(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def distance(self, x, y):
        if self.kind == "zero":
            return torch.zeros(3)
        if self.kind == "cos":
            return (x * y).mean(-1)
        if self.kind == "l1":
            return (x - y).sum(-1)
        if self.kind == "l2":
            return (x - y).mean(-1)
        if self.kind == "dot":
            return (x * y).sum(-1)
        return (2 * x - y).sum(-1)

    def forward(self, x: torch.Tensor, y: torch.Tensor):
        d = self.distance(x, y)
        e = {use}
        d += 1
        return e, d
"""
UNPACKED = """\
def halves(x, swap):
    return (x.exp(), x * 2) if swap else (x * 3, x * 4)

def shift(x, swap):
    a, b = halves(x, swap)
    {name} += 1
    return a, b
"""
OUT = """\
def scaled(x, out=None):
    y = torch.{name}(x, out=out)
    y *= 2
    return y
"""
FUSED = """\
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v{dropout})
        y = y.{layout}
        y += 1
        return y
"""
GIVEN = """\
def loss_of({name}, tokens):
    p = {name}(tokens).log_softmax(-1)
    p += 1
    return p.sum()
"""


@pytest.mark.parametrize(
    ("use", "found"), [("torch.sin(d)", {("GS101", 22)}), ("d + 1", set()), ("(2 * d).sum()", set())]
)
def test_more_values_than_are_told_apart_still_require_a_gradient(tmp_path: Path, use: str, found: set[object]) -> None:
    assert errors(tmp_path, MANY.format(use=use)) == found


@pytest.mark.parametrize(("name", "found"), [("a", {("GS101", 6)}), ("b", set())])
def test_tuples_of_several_paths_are_unpacked_item_by_item(tmp_path: Path, name: str, found: set[object]) -> None:
    assert errors(tmp_path, UNPACKED.format(name=name)) == found


@pytest.mark.parametrize(("name", "found"), [("exp", {("GS101", 3)}), ("neg", set())])
def test_an_out_that_is_left_out_gives_a_result_of_its_own(tmp_path: Path, name: str, found: set[object]) -> None:
    assert errors(tmp_path, OUT.format(name=name)) == found


@pytest.mark.parametrize(
    ("dropout", "layout", "found"),
    [
        ("", "transpose(1, 2).reshape(b, n, c)", {("GS106", 11)}),
        (", dropout_p=0.1", "transpose(1, 2).reshape(b, n, c)", set()),
        ("", "reshape(b, n, c)", set()),
    ],
)
def test_fused_attention_keeps_its_result(tmp_path: Path, dropout: str, layout: str, found: set[object]) -> None:
    assert errors(tmp_path, FUSED.format(dropout=dropout, layout=layout)) == found


@pytest.mark.parametrize(("name", "found"), [("model", {("GS101", 3)}), ("tokenizer", set())])
def test_a_network_that_is_given_brings_a_gradient(tmp_path: Path, name: str, found: set[object]) -> None:
    assert errors(tmp_path, GIVEN.format(name=name)) == found


SETTINGS = """\
class Norm(nn.Module):
    def __init__(self, squared):
        super().__init__()
        self.squared = squared

    def forward(self, x):
        y = torch.square(x).sum(-1)
        return y if self.squared else y.sqrt()

class Activation(nn.Module):
    def __init__(self, width, eps=None):
        super().__init__()
        self.eps = eps
        self.wide = width != 3
        self.norm = Norm({setting})

    def forward(self, x):
        y = self.norm(x)
        if self.{condition}:
            y[y < 1] = 1
        return y
"""


@pytest.mark.parametrize(
    ("setting", "condition", "found"),
    [
        ("eps is not None", "eps", set()),
        ("False", "eps", {("GS101", 20)}),
        ("eps", "training", {("GS101", 20)}),
        ("eps", "wide", {("GS101", 20)}),
        ("eps if width else True", "wide", {("GS101", 20)}),
    ],
)
def test_settings_of_two_objects_go_together(tmp_path: Path, setting: str, condition: str, found: set[object]) -> None:
    assert errors(tmp_path, SETTINGS.format(setting=setting, condition=condition)) == found


EXPANDED = """\
def repeated(x, n):
    b, k, s, d = x.shape
    y = {expanded}
    y += 1
    return y
"""


@pytest.mark.parametrize(
    ("expanded", "found"),
    [
        ("x[:, :, None, :, :].expand(b, k, n, s, d)", {("GS209", 4)}),
        ("x[:, :, None].expand(b, k, n, s, d)", set()),
        ("x[..., None].expand(b, k, s, d, n)", {("GS209", 4)}),
        ("x[..., None, :].expand(b, k, s, n, d)", {("GS209", 4)}),
        ("x[None].expand(n, b, k, s, d)", set()),
        ("x[:, :, None, :, :].expand(b, k, 1, s, d)", set()),
        ("x[:, :, None, :, :].expand(b, k, -1, s, d)", set()),
        ("x[:, :, None, :, :]", set()),
    ],
)
def test_a_dimension_that_an_index_adds_is_expanded(tmp_path: Path, expanded: str, found: set[object]) -> None:
    assert errors(tmp_path, EXPANDED.format(expanded=expanded)) == found


BROADCAST = """\
def angles(x, a):
    x, a = torch.broadcast_tensors(x, a[..., None])
    y = x.sin()
    {name} *= 2
    return y * a.new_ones(3)
"""


@pytest.mark.parametrize(("name", "found"), [("x", {("GS101", 4)}), ("a", {("GS209", 4)})])
def test_broadcast_tensors_are_views_of_one_each(tmp_path: Path, name: str, found: set[object]) -> None:
    assert errors(tmp_path, BROADCAST.format(name=name)) == found


DEFAULT = """\
def eager(module, q, k, v):
    w = torch.softmax(q @ k, dim=-1)
    return w @ v, w

class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.q = nn.Linear(8, 8)

    def forward(self, x, table):
        q = self.q(x)
        attend = table.get(self.config.kind, {default})
        y, w = attend(self, q, q, q)
        w *= 2
        return y, w
"""


@pytest.mark.parametrize(("default", "found"), [("eager", {("GS101", 15)}), ("None", set())])
def test_a_function_that_is_looked_up_may_be_the_default(tmp_path: Path, default: str, found: set[object]) -> None:
    assert errors(tmp_path, DEFAULT.format(default=default)) == found


NAMED = """\
def shifted({name}):
    y = {name}.sin()
    {name} += 1
    return y
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [("hidden_states", {("GS101", 3)}), ("conv_state", set()), ("est_targets", {("GS101", 3)}), ("targets", set())],
)
def test_names_of_what_carries_a_gradient(tmp_path: Path, name: str, found: set[object]) -> None:
    assert errors(tmp_path, NAMED.format(name=name)) == found


REPLACED = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = {made}

    def prune(self):
        self.norm = nn.Identity()

    def forward(self, x):
        x = x + 1
        y = self.norm(x)
        x += 1
        return y
"""


@pytest.mark.parametrize(("made", "found"), [("nn.LayerNorm(8)", {("GS101", 12)}), ("None", set())])
def test_a_layer_that_a_method_replaces_is_there_before(tmp_path: Path, made: str, found: set[object]) -> None:
    assert errors(tmp_path, REPLACED.format(made=made)) == found


NUMBERED = """\
from mmcv.cnn import Linear
from mmengine.model import ModuleList

class MLP(nn.Module):
    def __init__(self, width, n_layers):
        super().__init__()
        self.n_layers = n_layers
        self.layers = ModuleList(Linear(width, width) for _ in range(n_layers))

    def forward(self, x: torch.Tensor):
        for i, layer in enumerate(self.layers):
            x = {result}
        return x

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = MLP(4, 3)

    def forward(self, x: torch.Tensor):
        h = self.mlp(x)
        h += 1
        return h
"""


@pytest.mark.parametrize(
    ("result", "n_found"),
    [("torch.relu(layer(x)) if i < self.n_layers - 1 else layer(x)", 0), ("torch.sigmoid(layer(x))", 1)],
)
def test_the_last_sample_of_an_unknown_list_has_no_known_number(tmp_path: Path, result: str, n_found: int) -> None:
    assert len(errors(tmp_path, NUMBERED.replace("{result}", result))) == n_found


WRAPPED = """\
class Diagonal:
    def __init__(self, values):
        self.values = values

class Product:
    def __init__(self, *parts):
        self.parts = parts

def product(x: torch.Tensor, is_symmetric):
    values, _ = {decomposition}
    values.clamp_(min=0.0)
    return Product(*[Diagonal(each) for each in [values]]), 1
"""


@pytest.mark.parametrize(
    "decomposition",
    ["torch.linalg.eigh(x)", "torch.linalg.eigh(x) if is_symmetric else torch.linalg.eigh(x @ x.mT)"],
)
def test_one_of_several_values_is_as_near_as_one(tmp_path: Path, decomposition: str) -> None:
    assert errors(tmp_path, WRAPPED.replace("{decomposition}", decomposition)) == {("GS101", 11)}


OPTIONAL = """\
class Block(nn.Module):
    def __init__(self, width, norm=None, activation="ReLU", dropout=0.0):
        super().__init__()
        layers = [nn.Linear(width, width)]
        if norm is not None:
            layers.append(nn.LayerNorm(width))
        if activation is not None:
            layers.append(getattr(nn, activation)())
        if dropout:
            layers.append(nn.Dropout1d(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)

class Stage(nn.Module):
    def __init__(self, width, norm, activation="ReLU", dropout=0.0):
        super().__init__()
        self.block = Block(width, norm=norm, activation=activation, dropout=dropout)

    def forward(self, x):
        y = self.block(x)
        y += x
        return y
"""


def test_the_likeliest_ways_through_optional_layers_are_kept_apart(tmp_path: Path) -> None:
    assert errors(tmp_path, OPTIONAL) == {("GS101", 23)}


def test_none_of_the_ways_keeps_what_it_returned(tmp_path: Path) -> None:
    assert not errors(tmp_path, OPTIONAL.replace('activation="ReLU"', 'activation="LayerNorm"'))
