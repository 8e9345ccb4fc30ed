"""Under autocast, layers in half precision save copies of their weights: a step before their backward breaks nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

STEPPED = """\
from torch.cuda.amp import autocast as mixed
gen = nn.Linear(3, 2)
disc = nn.Sequential(nn.Linear(2, 4), LAYER, nn.Linear(4, 1))
opt = torch.optim.SGD(disc.parameters(), lr=0.1)
with CONTEXT:
    fake = gen(torch.ones(5, 3))
    loss_d = disc(fake.detach()).sum()
    loss_g = -disc(fake).sum()
loss_d.backward()
opt.step()
loss_g.backward()
"""
NETWORK = """\
def train(disc, gen, x):
    opt = torch.optim.SGD(disc.parameters(), lr=0.1)
    with CONTEXT:
        fake = gen(x)
        loss_d = disc(fake.detach()).sum()
        loss_g = -disc(fake).sum()
    loss_d.backward()
    opt.step()
    loss_g.backward()
"""
DECORATED = """\
w, v = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3))

@DECORATOR
def forward(x):
    return x @ w

loss = forward(v).sum()
other = forward(v).sum()
loss.backward()
with torch.no_grad():
    w -= w.grad
other.backward()
"""
ACTIVATION = """\
net = nn.Linear(3, 3)
with torch.autocast("cuda"):
    h = torch.sigmoid(net(torch.ones(3)))
    h += 1
h.sum().backward()
"""

ON = ('torch.autocast("cuda")', "torch.amp.autocast('cpu', torch.bfloat16)", "mixed()", "mixed(True)")
OFF = (
    *('torch.autocast("cuda", enabled=False)', "mixed(False)", "torch.autocast('cpu', torch.bfloat16, False)"),
    *("mixed(enabled=amp)", "torch.enable_grad()"),
)


@pytest.mark.parametrize("context", ON)
def test_a_step_before_the_backward_of_copies(tmp_path: Path, context: str) -> None:
    assert not errors(tmp_path, STEPPED.replace("CONTEXT", context).replace("LAYER", "nn.Tanh()"))


@pytest.mark.parametrize("context", OFF)
def test_a_step_where_autocast_is_not_known_to_be_on(tmp_path: Path, context: str) -> None:
    assert errors(tmp_path, STEPPED.replace("CONTEXT", context).replace("LAYER", "nn.Tanh()"))


@pytest.mark.parametrize("layer", ["nn.BatchNorm1d(4)", "nn.LayerNorm(4)", "nn.GroupNorm(2, 4)"])
def test_norms_keep_their_own_weights(tmp_path: Path, layer: str) -> None:
    assert errors(tmp_path, STEPPED.replace("CONTEXT", ON[0]).replace("LAYER", layer))


@pytest.mark.parametrize(("context", "breaks"), [("torch.autocast('cuda')", False), ("torch.enable_grad()", True)])
def test_a_network_that_is_not_known(tmp_path: Path, context: str, breaks: bool) -> None:
    assert bool(errors(tmp_path, NETWORK.replace("CONTEXT", context))) is breaks


@pytest.mark.parametrize(
    ("decorator", "breaks"), [("torch.autocast('cpu', torch.bfloat16)", False), ("torch.enable_grad()", True)]
)
def test_a_decorator(tmp_path: Path, decorator: str, breaks: bool) -> None:
    assert bool(errors(tmp_path, DECORATED.replace("DECORATOR", decorator))) is breaks


def test_activations_are_saved_as_they_are(tmp_path: Path) -> None:
    assert errors(tmp_path, ACTIVATION)
