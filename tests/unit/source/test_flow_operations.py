"""What particular operations save and return, as the framework has it (each run with torch 2.13.0)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

NET = """\
from torch.utils.checkpoint import checkpoint

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8)
        self.table = nn.Embedding(8, 4)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("spread", torch.ones(4))

    def forward(self, x):
        h = self.lin(x)
        y = VALUE
        WRITE
        return (y + h).exp()
"""
INPUT, RESULT = "h += 1", "y += 1"
SAVED = {
    "batch norm without running statistics": ("F.batch_norm(h, None, None, training=True)", INPUT),
    "batch norm beside its running statistics": ("F.batch_norm(h, self.mean, self.spread, training=True)", INPUT),
    "what is computed from a batch norm": ("F.batch_norm(h, self.mean, self.spread, training=True).exp()", RESULT),
    "instance norm": ("F.instance_norm(h)", INPUT),
    "a sign times its own tensor": ("h.sign() * h", INPUT),
    "an operator by its name": ("h.__mul__(h)", INPUT),
    "an operator from the right by its name": ("h.__rmul__(h)", INPUT),
    "self-attention": ("self.attention(h, h, h)[0]", INPUT),
    "a layer of an encoder": ("self.encoder(h)", INPUT),
    "a mapped operation's result": ("torch.vmap(torch.exp)(h)", RESULT),
    "a mapped operation's input": ("torch.vmap(torch.sin)(h)", INPUT),
    "the input of what is computed again": ("checkpoint(torch.exp, h, use_reentrant=False)", INPUT),
    "the input of what is computed again from leaves": (
        "checkpoint(lambda t: t.exp(), h, use_reentrant=True)",
        INPUT,
    ),
    "what is computed again from leaves, whatever that saves": (
        "checkpoint(lambda t: t * 2, h, use_reentrant=True)",
        INPUT,
    ),
}
KEPT = {
    "a batch norm's result": ("F.batch_norm(h, self.mean, self.spread, training=True)", RESULT),
    "a sum by its name": ("h.__add__(h)", INPUT),
    "indices that were made of a tensor": ("self.table(h.abs().clamp(0, 5).long())", INPUT),
    "a mapped operation that saves nothing": ("torch.vmap(torch.neg)(h)", INPUT),
    "the result of what is computed again": ("checkpoint(torch.exp, h, use_reentrant=False)", RESULT),
    "what is computed again saves nothing": ("checkpoint(lambda t: t * 2, h, use_reentrant=False)", INPUT),
    "what is computed again on either way saves nothing": (
        "checkpoint(lambda t, s: t * 2 if s else t + 1, h, self.training, use_reentrant=False)",
        INPUT,
    ),
}
VIEW = "checkpoint(lambda t: torch.sin(t * 2).view(-1), h, use_reentrant=KIND)"


def told(tmp_path: Path, value: str, write: str) -> set[str]:
    return {code for code, _ in errors(tmp_path, NET.replace("VALUE", value).replace("WRITE", write))}


@pytest.mark.parametrize(("value", "write"), SAVED.values(), ids=SAVED.keys())
def test_a_saved_value_is_overwritten(tmp_path: Path, value: str, write: str) -> None:
    assert told(tmp_path, value, write) == {"GS101"}


@pytest.mark.parametrize(("value", "write"), KEPT.values(), ids=KEPT.keys())
def test_nothing_saved_what_is_overwritten(tmp_path: Path, value: str, write: str) -> None:
    assert told(tmp_path, value, write) == set()


@pytest.mark.parametrize(("kind", "codes"), [("True", {"GS205"}), ("False", set())])
def test_only_the_reentrant_kind_hands_out_views_of_its_own(tmp_path: Path, kind: str, codes: set[str]) -> None:
    assert told(tmp_path, VIEW.replace("KIND", kind), RESULT) == codes
