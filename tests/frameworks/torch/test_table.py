"""The table against the engine: what it says is saved is what graphs hold, and writes are refused where it says so."""

import pytest

from gradsan import knowledge
from gradsan.frameworks.torch.table.agreement import EXCEPTIONS, Outcome
from gradsan.frameworks.torch.table.verify import verify

QUICK = {
    "add",
    "mul",
    "pow",
    "exp",
    "log",
    "sigmoid",
    "clamp",
    "max",
    "cumprod",
    "matmul",
    "where",
    "index_put",
    "reshape",
    "chunk",
    "float",
    "__rpow__",
    "nn.functional.relu",
    "nn.functional.gelu",
    "nn.functional.dropout",
    "nn.functional.linear",
    "nn.functional.mse_loss",
    "nn.functional.embedding",
    "nn.BatchNorm1d",
    "nn.Linear",
    "nn.ReLU",
    "nn.GRUCell",
    "argmax",
    "lt",
}


def test_the_table_agrees_on_a_handful():
    outcome = verify(limit=2, only=QUICK)
    assert not outcome.unexplained, outcome.describe()
    assert outcome.judged() == QUICK
    assert outcome.n_refused > 100


@pytest.mark.slow
def test_the_table_agrees_on_every_operation():
    outcome = verify()
    print(outcome.describe())
    assert not outcome.unexplained, outcome.describe()
    kept = knowledge.agreement(knowledge.load("torch"))
    for now, before in zip(outcome.counts()["sections"], kept["sections"], strict=True):
        assert now["judged"] == before["judged"], now["title"]


def test_a_save_that_the_table_lacks_is_a_disagreement():
    outcome = Outcome()
    outcome.note("operations", "exp", {"saved": "saved: table nothing, engine result"}, certain=True)
    assert set(outcome.unexplained) == {"exp"}
    assert "disagrees: exp" in outcome.describe()


def test_an_exception_covers_its_own_claim_alone():
    outcome = Outcome()
    outcome.note("operations", "kron", {"refused": "as listed"}, certain=True)
    assert not outcome.unexplained
    outcome.note("operations", "kron", {"refused": "as listed", "written": "more"}, certain=True)
    assert set(outcome.unexplained) == {"kron"}


def test_an_exception_for_empty_tensors_covers_no_other():
    outcome = Outcome()
    assert EXCEPTIONS["matmul"].only_empty
    outcome.note("operations", "matmul", {"saved": "as listed"}, certain=True, is_empty=True)
    assert not outcome.unexplained
    outcome.note("operations", "matmul", {"saved": "as listed"}, certain=True)
    assert set(outcome.unexplained) == {"matmul"}


def test_a_wrong_claim_is_found(monkeypatch):
    operation = knowledge.load().lookup("torch.log")
    wrong = knowledge.Effect(saves_result=True)
    monkeypatch.setattr(type(operation), "effect", lambda self, given=None: wrong)
    outcome = verify(limit=1, only={"log"})
    assert set(outcome.unexplained) == {"log"}
