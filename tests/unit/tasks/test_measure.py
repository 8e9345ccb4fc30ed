from __future__ import annotations

import math
from array import array

from gradsan.model.diagnostic import GradientError
from gradsan.record.observations import BackwardPass, Leaf, Observations, Sample
from gradsan.tasks.measure import errors_of


def sample(*values: float) -> Sample:
    return Sample((len(values),), "float32", array("d", values))


def one_pass(loss: float, *grads: tuple[float, ...], names: tuple[str, ...] = ()) -> BackwardPass:
    named = [*names, *("" for _ in grads)]
    leaves = tuple(Leaf(sample(1.0), sample(*grad), name) for grad, name in zip(grads, named, strict=False))
    return BackwardPass((sample(loss),), leaves, is_complete=True)


def test_the_error_is_the_difference_by_the_larger_norm() -> None:
    plain = Observations([one_pass(1.0, (3.0, 0.0), names=("net.weight",))])
    protected = Observations([one_pass(1.0, (3.0, 4.0), names=("net.weight",))])
    assert errors_of(plain, protected) == ((GradientError("net.weight", 4 / 5, 1),), "")


def test_the_largest_error_stands_first() -> None:
    plain = Observations([one_pass(1.0, (1.0,), (1.0,), (1.0,), names=("a", "b", "c"))])
    protected = Observations([one_pass(1.0, (1.0,), (2.0,), (4.0,), names=("a", "b", "c"))])
    errors, _ = errors_of(plain, protected)
    assert [(error.leaf, error.relative_error) for error in errors] == [("c", 0.75), ("b", 0.5)]


def test_only_the_first_pass_that_differs_is_told() -> None:
    plain = Observations([one_pass(1.0, (1.0,)), one_pass(2.0, (1.0,)), one_pass(3.0, (1.0,))])
    protected = Observations([one_pass(1.0, (1.0,)), one_pass(2.0, (2.0,)), one_pass(9.0, (9.0,))])
    errors, why_not = errors_of(plain, protected)
    assert [(error.leaf, error.backward) for error in errors] == [("a leaf of shape (1,)", 2)]
    assert not why_not


def test_other_losses_are_not_compared() -> None:
    errors, why_not = errors_of(Observations([one_pass(1.0, (1.0,))]), Observations([one_pass(2.0, (2.0,))]))
    assert errors == ()
    assert "other losses" in why_not


def test_equal_gradients_are_no_measurement() -> None:
    same = Observations([one_pass(1.0, (1.0,))])
    assert errors_of(same, same)[1].endswith("computes the same gradients")


def test_a_gradient_that_is_not_finite_has_no_error() -> None:
    errors, _ = errors_of(Observations([one_pass(1.0, (math.nan,))]), Observations([one_pass(1.0, (1.0,))]))
    assert errors[0].relative_error is None


def test_gradients_that_grad_returned() -> None:
    plain, protected = one_pass(1.0), one_pass(1.0)
    plain.returned, protected.returned = (sample(1.0),), (sample(2.0),)
    errors, _ = errors_of(Observations([plain]), Observations([protected]))
    assert errors == (GradientError("input 0 of `grad`", 0.5, 1),)
