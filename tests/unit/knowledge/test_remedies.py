from __future__ import annotations

import pytest

from gradsan.knowledge.remedies import clone_where_saved, copy_to_write, out_of_place_code, price_of_written_copy
from gradsan.model.event import Access, Saved, Written
from gradsan.model.history import Subject


def written(target: str, access: Access = Access.ITSELF, operation: str = "mul_") -> Written:
    return Written(
        span=None,
        operation=operation,
        version_before=0,
        version=1,
        sequence=1,
        access=access,
        target=target,
        given="2",
    )


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("h", "h = h.clone()  # before the write"),
        ("h[:, 0]", "h = h.clone()  # before the write"),
        ("self.queue[0]", "self.queue = self.queue.clone()  # before the write"),
        ("spectrum.real", "spectrum = spectrum.clone()  # before the write"),
        ("self.head(i)", "part = self.head(i).clone()  # then write to `part`"),
        ("", ""),
    ],
)
def test_a_copy_to_write(target: str, code: str) -> None:
    assert copy_to_write(target) == code


def test_the_price_of_a_copy_is_that_of_what_is_copied() -> None:
    saved = Subject(shape=(4, 3), dtype="float32")
    assert price_of_written_copy(written("h"), saved) == "costs one copy of 48 bytes"
    assert price_of_written_copy(written("states[t]", Access.BASE), saved) == "costs one copy of `states`"
    assert price_of_written_copy(written("p[:, 2:4]", Access.VIEW), saved) == "costs one copy of `p`"
    assert price_of_written_copy(written("f(x)", Access.VIEW), saved) == "costs one copy of 48 bytes"


@pytest.mark.parametrize("target", ["h.real", "h.data", "h.mT", "h[0]", "h.real.imag"])
def test_what_shows_the_memory_of_a_tensor_is_not_bound_anew(target: str) -> None:
    assert out_of_place_code(written(target)) == ""


def test_what_compiled_code_saved_is_kept_by_a_copy_to_write() -> None:
    saved = Saved(span=None, operation="CompiledFunction", operand="", version=0, sequence=1)
    proposal = clone_where_saved(saved, Subject(name="gate"), written("gate"))
    assert proposal.code == "gate = gate.clone()  # before the write"
    assert "of its own" not in proposal.text
