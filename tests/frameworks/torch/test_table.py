"""The table against the engine: what it says is saved is what graphs hold, and writes are refused where it says so."""

import pytest

from gradsan.frameworks.torch.table.verify import verify

QUICK = {
    "add",
    "mul",
    "div",
    "pow",
    "exp",
    "log",
    "sigmoid",
    "tanh",
    "sqrt",
    "clamp",
    "max",
    "sum",
    "prod",
    "cumprod",
    "norm",
    "matmul",
    "addmm",
    "softmax",
    "where",
    "masked_fill",
    "index_put",
    "reshape",
    "chunk",
    "contiguous",
    "float",
    "linalg.norm",
    "special.xlogy",
    "__rpow__",
    "nn.functional.relu",
    "nn.functional.gelu",
    "nn.functional.dropout",
    "nn.functional.batch_norm",
    "nn.functional.layer_norm",
    "nn.functional.linear",
    "nn.functional.conv2d",
    "nn.functional.max_pool2d",
    "nn.functional.cross_entropy",
    "nn.functional.mse_loss",
    "nn.functional.embedding",
    "nn.BatchNorm1d",
    "nn.Linear",
    "nn.ReLU",
    "nn.Conv1d",
    "nn.Embedding",
    "nn.GRUCell",
}


@pytest.mark.slow
def test_the_table_agrees_on_a_handful():
    outcome = verify(limit=4, only=QUICK)
    assert not outcome.unexplained, outcome.describe()
    judged = set(outcome.exact) | set(outcome.covered)
    assert judged >= QUICK, QUICK - judged
    assert outcome.n_refused > 100


@pytest.mark.slow
def test_the_table_agrees_on_every_operation():
    outcome = verify()
    print(outcome.describe())
    assert not outcome.unexplained, outcome.describe()
    assert len(set(outcome.exact) | set(outcome.covered)) > 550
