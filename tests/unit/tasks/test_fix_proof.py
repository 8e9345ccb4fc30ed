from __future__ import annotations

from array import array
from dataclasses import replace

from gradsan.record.observations import BackwardPass, Leaf, Observations, Refused, Sample, same_leaves
from gradsan.tasks.fix_proof import Edits, Reference, prove, unstable_paths
from gradsan.tasks.trial import Seen


def sample(*values: float, dtype: str = "float32") -> Sample:
    return Sample((len(values),), dtype, array("d", values))


def seen(
    loss: float = 1.0, grad: float = 2.0, *, status: int = 0, refused: Refused | None = None, **state: Sample
) -> Seen:
    leaf = Leaf(sample(5.0), sample(grad))
    done = BackwardPass((sample(loss),), (leaf,), is_complete=True)
    observations = Observations([done], dict(state), [refused] if refused is not None else [])
    return Seen(observations=observations, status=status)


def leaf_refused(*, cuts: bool = False, is_on_leaf: bool = True) -> Refused:
    return Refused("leaf", is_on_leaf=is_on_leaf, is_on_parameter=False, cuts=cuts)


def holds(reference: Reference, edited: Seen, *, is_off_tape: bool = False) -> bool:
    return prove(reference, edited, Edits(keep_off_tape=is_off_tape), is_whole=True).holds


def test_samples_agree_up_to_rounding() -> None:
    assert sample(1.0, 100.0).agrees(sample(1.0 + 1e-6, 100.0 + 1e-4))
    assert not sample(1.0).agrees(sample(1.001))
    assert sample(1.0).agrees(sample(1.0))
    assert not sample(1.0).agrees(sample(1.0, dtype="float64"))
    assert not sample(1.0, dtype="float64").agrees(sample(1.0 + 1e-6, dtype="float64"))
    assert not sample(1.0, dtype="int64").agrees(sample(2.0, dtype="int64"))
    assert sample(float("nan"), float("inf")).agrees(sample(float("nan"), float("inf")))
    assert not sample(float("nan")).agrees(sample(0.0))


def test_the_order_of_leaves_is_free() -> None:
    first, second = Leaf(sample(1.0), sample(2.0)), Leaf(sample(3.0), None)
    assert same_leaves((first, second), (second, first))
    assert not same_leaves((first, second), (first, first))
    assert not same_leaves((first,), (first, second))


def test_equal_programs() -> None:
    proof = prove(Reference(seen()), seen(), Edits(), is_whole=True)
    assert (proof.holds, proof.n_losses, proof.n_gradients) == (True, 1, 1)


def test_another_loss_gradient_state_or_status() -> None:
    reference = Reference(seen(w=sample(1.0)))
    assert not holds(reference, seen(loss=1.5, w=sample(1.0)))
    assert not holds(reference, seen(grad=2.5, w=sample(1.0)))
    assert not holds(reference, seen(w=sample(1.5)))
    assert not holds(reference, seen(status=1, w=sample(1.0)))
    assert holds(reference, seen(w=sample(1.0), another=sample(7.0)))


def test_what_is_not_a_number_proves_nothing() -> None:
    nan = float("nan")
    no_loss = prove(Reference(seen(loss=nan, grad=nan)), seen(loss=nan, grad=nan), Edits(), is_whole=True)
    assert (no_loss.holds, no_loss.why_not) == (False, "no loss is finite: there is nothing to compare")
    no_gradient = prove(Reference(seen(grad=nan)), seen(grad=nan), Edits(), is_whole=True)
    assert (no_gradient.holds, no_gradient.why_not) == (False, "no gradient is finite: there is nothing to compare")
    assert prove(Reference(seen(grad=nan)), seen(grad=nan), Edits(), is_whole=False).holds


def test_a_run_that_diverges_is_proven_by_what_it_computed_before() -> None:
    first, nan = seen().observations.passes[0], seen(float("nan"), float("nan")).observations.passes[0]
    run = Seen(observations=Observations([first, nan]))
    assert holds(Reference(run), run)


def test_what_differs_from_run_to_run_is_left_out() -> None:
    one, other = seen(t=sample(1.0), w=sample(2.0)), seen(t=sample(9.0), w=sample(2.0))
    unstable = unstable_paths(one.observations, other.observations)
    assert unstable == {"t"}
    assert holds(Reference(one, unstable=unstable), other)


def test_a_leaf_may_not_lose_its_gradient() -> None:
    reference = Reference(seen(**{"x": sample(1.0), "x.grad": sample(2.0)}))
    assert not holds(reference, seen(x=sample(1.0)))


def test_nothing_that_was_recorded_may_leave_the_tape() -> None:
    assert not holds(Reference(seen()), seen(), is_off_tape=True)


def test_a_refused_write_that_no_alias_sees_is_compared_with_gradients() -> None:
    reference = Reference(seen(grad=0.0, refused=leaf_refused()), seen(refused=leaf_refused()))
    assert reference.is_unseen
    assert holds(reference, seen())
    assert not holds(reference, seen(grad=0.0))


def test_a_refused_write_that_an_alias_sees_has_no_gradient_to_compare() -> None:
    reference = Reference(seen(refused=leaf_refused()), seen(loss=3.0, refused=leaf_refused()))
    proof = prove(reference, seen(grad=7.0), Edits(), is_whole=True)
    assert (proof.holds, proof.is_gradient_compared) == (True, False)


def test_off_the_tape_only_where_no_gradient_is_lost() -> None:
    elsewhere = seen(loss=3.0)
    assert holds(Reference(seen(refused=leaf_refused()), elsewhere), seen(), is_off_tape=True)
    assert not holds(Reference(seen(refused=leaf_refused(cuts=True)), elsewhere), seen(), is_off_tape=True)
    assert not holds(Reference(seen(refused=leaf_refused(is_on_leaf=False)), elsewhere), seen(), is_off_tape=True)


def test_off_the_tape_not_where_a_written_view_is_a_value_and_the_loss_depends_on_it() -> None:
    written, elsewhere = seen(refused=leaf_refused()), seen(loss=3.0)
    written.observations.takes_view = True
    assert not holds(Reference(written, elsewhere), seen(), is_off_tape=True)
    assert holds(Reference(written, seen(refused=leaf_refused())), seen(), is_off_tape=True)


def test_off_the_tape_not_where_what_a_module_returned_is_written() -> None:
    written, unseen = seen(refused=leaf_refused()), seen(refused=leaf_refused())
    written.observations.writes_output = True
    assert not holds(Reference(written, unseen), seen(), is_off_tape=True)
    assert holds(Reference(written, unseen), seen())


def test_off_the_tape_not_where_the_meaning_is_open() -> None:
    written, kept = seen(refused=leaf_refused(), w=sample(1.0)), seen(refused=leaf_refused(), w=sample(2.0))
    assert not holds(Reference(written, kept), seen(w=sample(1.0)), is_off_tape=True)


def test_off_the_tape_not_where_a_step_of_the_computation_has_another_gradient() -> None:
    protected, replaced = seen(refused=leaf_refused(), x=sample(1.0)), seen(grad=0.0, status=1, x=sample(1.0))
    reference, off_tape = Reference(protected, replaced), Edits(keep_off_tape=True)
    assert not prove(reference, protected, off_tape, is_whole=True).holds
    for known in (replace(off_tape, is_of_leaf=True), replace(off_tape, is_of_state=True)):
        assert prove(reference, protected, known, is_whole=True).holds
    same = Reference(protected, seen(status=1, x=sample(1.0)))
    assert prove(same, protected, off_tape, is_whole=True).holds


def test_a_recorded_write_is_held_against_a_run_that_records_it() -> None:
    reference = Reference(seen(grad=1.0), recorded=seen(grad=2.0))
    edits = Edits(record=True)
    assert prove(reference, seen(grad=2.0), edits, is_whole=True).holds
    assert not prove(reference, seen(grad=1.0), edits, is_whole=True).holds
    assert not prove(Reference(seen()), seen(), edits, is_whole=True).holds
    assert not prove(Reference(seen(loss=1.0), recorded=seen(loss=2.0)), seen(loss=1.0), edits, is_whole=True).holds


def test_a_moved_write_leaves_a_leaf_another_value_before_its_backward() -> None:
    wanted, got = seen(), seen()
    got.observations.passes[0].leaves = (Leaf(sample(6.0), sample(2.0)),)
    assert not prove(Reference(wanted), got, Edits(), is_whole=True).holds
    assert prove(Reference(wanted), got, Edits(move=True), is_whole=True).holds


def test_a_leaf_that_became_a_step_of_the_computation_has_lost_its_gradient() -> None:
    got = seen()
    got.observations.steps.add("w")
    reference = Reference(seen(**{"w": sample(1.0), "w.grad": sample(2.0)}))
    assert not prove(reference, got, Edits(), is_whole=True).holds


def test_a_run_that_failed_for_the_gradient_of_a_written_leaf() -> None:
    refused = leaf_refused(cuts=True)
    protected, replaced = seen(grad=0.5, status=1, refused=refused), seen(status=1, refused=refused)
    replaced = replace(replaced, error="AttributeError: 'NoneType' object has no attribute 'clone'")
    assert holds(Reference(protected, replaced), seen())
    assert not holds(Reference(protected, replaced), seen(grad=0.5))
    assert not holds(Reference(protected, replace(replaced, error="KeyError: 1")), seen())
    kept = seen(status=1, refused=leaf_refused())
    assert not holds(Reference(kept, replace(kept, error=replaced.error)), seen())


def updated(*losses: float, updates: tuple[float, ...], **state: Sample) -> Seen:
    passes = [BackwardPass((sample(loss),), is_complete=True) for loss in losses]
    steps = [(sample(gradient),) for gradient in updates]
    return Seen(observations=Observations(passes, dict(state), updates=steps))


def test_updates_in_another_order_step_with_the_same_gradients() -> None:
    reference = Reference(updated(1.0, 2.0, updates=(3.0, 4.0), **{"w": sample(5.0), "w.grad": sample(6.0)}))
    edits = Edits(reorder=True)

    def proven(edited: Seen) -> bool:
        return prove(reference, edited, edits, is_whole=True).holds

    assert proven(updated(2.0, 1.0, updates=(4.0, 3.0), **{"w": sample(5.0), "w.grad": sample(7.0)}))
    assert not proven(updated(2.0, 1.5, updates=(4.0, 3.0), w=sample(5.0)))
    assert not proven(updated(2.0, updates=(4.0, 3.0), w=sample(5.0)))
    assert not proven(updated(2.0, 1.0, updates=(4.0, 3.5), w=sample(5.0)))
    assert not proven(updated(2.0, 1.0, updates=(4.0,), w=sample(5.0)))
    assert not proven(updated(2.0, 1.0, updates=(4.0, 3.0), w=sample(5.5)))
    assert prove(reference, updated(2.0, updates=()), edits, is_whole=False).holds
    nothing = Reference(updated(1.0, updates=()))
    assert not prove(nothing, updated(1.0, updates=()), edits, is_whole=True).holds


def test_a_moved_step_meets_no_other_gradients() -> None:
    reference = Reference(updated(1.0, 2.0, updates=(3.0,)))
    assert prove(reference, updated(1.0, 2.0, updates=(3.0,)), Edits(move=True), is_whole=True).holds
    assert not prove(reference, updated(1.0, 2.0, updates=(3.5,)), Edits(move=True), is_whole=True).holds
    assert not prove(reference, updated(1.0, 2.0, updates=()), Edits(move=True), is_whole=True).holds
