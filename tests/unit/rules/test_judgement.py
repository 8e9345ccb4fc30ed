"""Rules judge histories of integers: no framework, no program."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradsan.model.diagnostic import Certainty, Diagnostic, Role
from gradsan.model.event import (
    Access,
    Carried,
    Event,
    Needed,
    Raised,
    Refusal,
    Saved,
    SequenceNumber,
    Version,
    Viewed,
    ViewKind,
    Writer,
    Written,
)
from gradsan.model.history import History, Subject, TensorKind
from gradsan.model.rewrite import Remedy
from gradsan.model.span import Span
from gradsan.rules import judge


def at(line: int, path: str = "train.py") -> Span:
    return Span(path, line, 5, line, 15, "f")


def saved(**more: object) -> Saved:
    event = Saved(span=at(1), operation="sigmoid", operand="result", version=Version(0), sequence=SequenceNumber(10))
    return replace(event, **more)  # type: ignore[arg-type]


def written(**more: object) -> Written:
    event = Written(
        span=at(2),
        operation="add_",
        version_before=Version(0),
        version=Version(1),
        sequence=SequenceNumber(20),
        target="h",
    )
    return replace(event, **more)  # type: ignore[arg-type]


def needed(**more: object) -> Needed:
    event = Needed(span=at(3), operation="SigmoidBackward0", version=Version(1), sequence=SequenceNumber(30))
    return replace(event, **more)  # type: ignore[arg-type]


def raised(refusal: Refusal = Refusal.SAVED_OVERWRITTEN, message: str = "", line: int = 3) -> Raised:
    return Raised(span=at(line), refusal=refusal, message=message, sequence=SequenceNumber(31))


def attempt(**more: object) -> Written:
    return written(version=Version(0), **more)


H = Subject(name="h", shape=(32, 128), dtype="float32")
WEIGHT = Subject(qualified_name="fc.weight", shape=(4, 4), dtype="float32", kind=TensorKind.PARAMETER)
QUEUE = Subject(name="self.queue", qualified_name="moco.queue", kind=TensorKind.BUFFER)


def finding(*events: Event, subject: Subject = H, certainty: Certainty = Certainty.OBSERVED) -> Diagnostic:
    said = judge(History(subject=subject, events=events, certainty=certainty))
    assert said is not None
    return said


def test_overwritten_result() -> None:
    said = finding(saved(), written(), needed(), raised())
    assert (said.code, said.name) == ("GS101", "saved-tensor-overwritten")
    assert said.message == "`h` was modified in place after `sigmoid` saved it for backward"
    assert [(label.role, label.span.line) for label in said.labels] == [
        (Role.SAVE, 1),
        (Role.WRITE, 2),
        (Role.RAISE, 3),
    ]
    assert [label.text for label in said.labels] == [
        "`sigmoid` saved its result here, at version 0",
        "modified here: version 0 -> 1",
        "backward needed the saved value here",
    ]
    assert said.notes == ("shape (32, 128) float32",)
    assert said.helps[0].code == "h = h.add(...)"
    assert "16 KiB" in said.helps[0].text


def test_inferred_says_may_be() -> None:
    said = finding(saved(), written(), certainty=Certainty.INFERRED)
    assert said.message == "`h` may be modified in place after `sigmoid` saved it for backward"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("__iadd__", "h = h + ..."),
        ("__imatmul__", "h = h @ ..."),
        ("relu_", "h = h.relu(...)"),
        ("zero_", "h = torch.zeros_like(h)"),
    ],
)
def test_code_to_write(operation: str, code: str) -> None:
    assert finding(saved(), written(operation=operation), raised()).helps[0].code == code


@pytest.mark.parametrize("operation", ["__setitem__", "copy_", "normal_", "f"])
def test_where_no_statement_says_the_same_a_copy_is_proposed(operation: str) -> None:
    said = finding(saved(), written(operation=operation), raised())
    assert said.helps
    assert all("clone()" in proposal.code for proposal in said.helps)


def test_a_loop_that_fills_a_buffer_is_told_to_stack() -> None:
    said = finding(saved(), written(operation="__setitem__", n_times=9, version=Version(9)), raised())
    assert "torch.stack" in said.helps[0].code
    assert "modified here 9 times: version 0 -> 9" in [label.text for label in said.labels]


def test_module_that_wrote_is_shown_where_it_was_constructed() -> None:
    said = finding(saved(), written(writer=Writer.MODULE, operation="ReLU", created=at(7)), raised())
    assert [label.role for label in said.labels] == [Role.SAVE, Role.WRITE, Role.CREATE, Role.RAISE]
    assert said.helps[0].code == "nn.ReLU(inplace=False)"


def test_unknown_writer_is_said_and_the_full_trace_offered() -> None:
    said = finding(saved(), needed(version=Version(2)), raised())
    assert said.code == "GS101"
    assert "the version counter moved by 2 in-place writes; none of them was seen" in said.notes
    assert "--trace full" in said.helps[0].code


def test_unknown_saver_is_not_invented() -> None:
    said = finding(written(), raised())
    assert said.message == "`h` was modified in place before backward needed it"


def test_write_beside_the_saved_elements_is_explained() -> None:
    said = finding(saved(), written(overlaps=False), raised())
    assert any("belongs to the whole storage" in note for note in said.notes)


def test_silent_writes_are_another_story() -> None:
    finding = judge(History(subject=H, events=(saved(), attempt())))
    assert finding is not None
    assert finding.code == "GS301"


def test_many_places_are_counted_not_listed() -> None:
    writes = [written(span=at(10 + i), version_before=Version(i), version=Version(i + 1)) for i in range(9)]
    said = finding(saved(), *writes, raised())
    assert len(said.labels_of(Role.WRITE)) == 4
    assert "5 more places wrote to it" in said.notes


STEP = {"writer": Writer.OPTIMIZER, "operation": "Adam.step"}


def test_optimizer_step_before_backward() -> None:
    loss_first = needed(root_sequence=SequenceNumber(15))
    said = finding(saved(operand="weight"), written(**STEP), loss_first, raised(), subject=WEIGHT)
    assert said.code == "GS102"
    assert said.message == "`fc.weight` was updated by `Adam.step` before the backward that needed its old value"
    assert said.helps[0].code.startswith("loss.backward()\n")


def test_loss_after_the_step_in_the_same_iteration_is_still_the_order() -> None:
    loss_later = needed(root_sequence=SequenceNumber(25))
    said = finding(saved(superseded=False), written(**STEP), loss_later, raised(), subject=WEIGHT)
    assert said.code == "GS102"
    assert "step after this backward" in said.helps[0].text
    assert "again after the step" in said.helps[1].text


def test_graph_kept_across_steps() -> None:
    loss_later = needed(root_sequence=SequenceNumber(25))
    said = finding(saved(superseded=True), written(**STEP), loss_later, raised(), subject=WEIGHT)
    assert said.code == "GS103"
    assert said.helps[0].code == "state = state.detach()"


def test_what_carries_the_graph_is_named() -> None:
    carried = Carried(span=at(1), made=at(1), sequence=SequenceNumber(22), names=("hidden",))
    loss_later = needed(root_sequence=SequenceNumber(25))
    said = finding(saved(superseded=True), written(**STEP), carried, loss_later, raised(), subject=WEIGHT)
    assert said.helps[0].code == "hidden = hidden.detach()"
    assert "`hidden` brings the earlier graph along" in [label.text for label in said.labels]
    both = finding(
        saved(superseded=True), written(**STEP), replace(carried, n_values=2), loss_later, raised(), subject=WEIGHT
    )
    assert both.helps[0].code == "hidden = tuple(each.detach() for each in hidden)"
    unnamed = finding(
        saved(superseded=True), written(**STEP), replace(carried, names=()), loss_later, raised(), subject=WEIGHT
    )
    assert unnamed.helps[0].code == ""


def test_step_too_early_is_told_in_the_names_of_the_program() -> None:
    before = needed(root_sequence=SequenceNumber(15), target="loss_g", stepper="optimizer_g")
    said = finding(saved(), written(**STEP), before, raised(), subject=WEIGHT)
    assert said.helps[0].remedy is Remedy.WRITE_LATER
    assert said.helps[0].code.startswith("loss_g.backward()\n")
    assert "optimizer_g.param_groups" in said.helps[1].code
    assert "`loss_g`" in said.helps[2].text


def test_a_function_that_steps_after_each_backward_is_named_in_place_of_its_own_code() -> None:
    loss_first = needed(root_sequence=SequenceNumber(15))
    said = finding(saved(), written(**STEP, span=at(4)), loss_first, raised(), subject=WEIGHT)
    assert said.helps[0].text.endswith("then step: `f` steps after each")
    assert said.helps[0].code == ""


def test_the_old_part_is_cut_off_by_its_name_or_in_words() -> None:
    loss_later = needed(root_sequence=SequenceNumber(25))
    said = finding(saved(superseded=False), written(**STEP), loss_later, raised(), subject=WEIGHT)
    assert "`detach()`" in said.helps[2].text
    assert said.helps[2].code == ""


def test_step_along_what_autograd_gave_is_nothing_but_an_update() -> None:
    step = attempt(operation="sub_", target="mask", given="lr * g", is_step=True)
    said = finding(step, raised(Refusal.LEAF), subject=replace(H, name="mask", kind=TensorKind.LEAF))
    assert [help_.remedy for help_ in said.helps] == [Remedy.OFF_TAPE]


def test_what_a_write_reads_of_itself_is_copied_as_it_is_read() -> None:
    overlap = raised(Refusal.OVERLAP, "some elements of the input tensor and the written-to tensor refer to one")
    for operation, given, code in (
        ("add_", "row[:-2]", "row[2:].add_(row[:-2].clone())"),
        ("__iadd__", "row[:-2] * 2", "row[2:] += (row[:-2] * 2).clone()"),
        ("add_", "row[:-2], alpha=2", ""),
        ("add_", None, ""),
    ):
        said = finding(attempt(operation=operation, target="row[2:]", given=given), overlap, subject=H)
        assert said.helps[0].code == code
        assert "read from a copy" in said.helps[0].text


def test_step_down_the_gradient_is_nothing_but_an_update() -> None:
    step = attempt(operation="__isub__", target="w", given="lr * w.grad")
    said = finding(step, raised(Refusal.LEAF), subject=replace(H, name="w", kind=TensorKind.LEAF))
    assert [help_.remedy for help_ in said.helps] == [Remedy.OFF_TAPE]


def test_no_new_tensor_for_the_item_of_a_loop() -> None:
    item = attempt(operation="mul_", target="row", given="2", is_item_of_loop=True)
    said = finding(item, raised(Refusal.MULTI_OUTPUT_VIEW), subject=H)
    assert [help_.remedy for help_ in said.helps] == [Remedy.SINGLE_VIEWS]


def test_no_new_tensor_for_an_argument_that_is_written_for_the_caller() -> None:
    item = attempt(operation="mul_", target="part", given="2", is_lost=True)
    said = finding(item, raised(Refusal.MULTI_OUTPUT_VIEW), subject=H)
    assert [help_.remedy for help_ in said.helps] == [Remedy.SINGLE_VIEWS, None]
    assert "hand `f` a copy" in said.helps[1].text


def test_state_under_a_borrowed_name_is_copied_where_it_is_saved() -> None:
    update = written(operation="mul_", target="mean", given="0.9", is_borrowed=True)
    kept = finding(saved(operand="self"), update, needed(), raised(), subject=replace(H, kind=TensorKind.CONSTANT))
    assert [help_.remedy for help_ in kept.helps] == [Remedy.COPY_AT_SAVE]
    computed = finding(saved(operand="self"), update, needed(), raised(), subject=H)
    assert [help_.remedy for help_ in computed.helps] == [Remedy.OUT_OF_PLACE, Remedy.COPY_AT_SAVE]


def test_name_of_another_function_is_not_used_where_it_saved() -> None:
    elsewhere = saved(operand="self", span=replace(at(1), function="g"))
    said = finding(elsewhere, written(target="alpha"), raised(), subject=replace(H, name="alpha"))
    assert "alpha" not in said.helps[-1].code


def test_update_by_hand_keeps_a_graph_too() -> None:
    by_hand = written(operation="__isub__", grad_enabled=False)
    assert finding(saved(superseded=True), by_hand, raised(), subject=WEIGHT).code == "GS103"


def test_buffer() -> None:
    said = finding(saved(operation="matmul"), written(operation="__setitem__"), raised(), subject=QUEUE)
    assert said.code == "GS104"
    assert said.message == "the buffer `moco.queue` was updated in place after `matmul` saved it for backward"


def test_base_written() -> None:
    assert finding(saved(is_view=True), written(access=Access.BASE), raised()).code == "GS105"
    text = (
        "one of the variables needed for gradient computation has been modified by an inplace operation:"
        " [torch.FloatTensor [3]], which is output 0 of AsStrided, is at version 1; expected version 0"
    )
    assert finding(saved(is_view=True), written(), raised(message=text)).code == "GS105"
    assert finding(saved(is_view=False), written(), raised(message=text)).code == "GS101"


@pytest.mark.parametrize(("access", "route"), [(Access.VIEW, "a view"), (Access.DETACHED, "a `detach()`")])
def test_written_through_another_window(access: Access, route: str) -> None:
    said = finding(saved(), written(access=access, target="h[:, 0]"), raised())
    assert said.code == "GS106"
    assert said.message == f"`h[:, 0]`, {route} of what `sigmoid` saved for backward, was modified in place"


def test_written_during_backward() -> None:
    said = finding(saved(operation="Alignment", operand=""), written(writer=Writer.BACKWARD), raised())
    assert said.code == "GS107"
    assert said.message == "`h`, that `Alignment` saved, was modified in place during backward"


VIEW_TEXT = (
    "Output 1 of Split is a view and {} modified inplace."
    " This view is the output of a function that returns multiple views"
)
CUSTOM_TEXT = "Output 0 of Reverse is a view and {} modified inplace. This view was created inside a custom Function"
NO_GRAD_TEXT = "A view was created in {} mode and {} modified inplace"


@pytest.mark.parametrize(
    ("refusal", "text", "code", "message"),
    [
        (Refusal.LEAF, "", "GS201", "in-place `+=` was refused on `h`, a leaf that requires grad"),
        (Refusal.LEAF_VIEW, "", "GS202", "in-place `+=` was refused on `h`, a view of a leaf that requires grad"),
        (
            Refusal.MULTI_OUTPUT_VIEW,
            VIEW_TEXT.format("is being"),
            "GS203",
            "in-place `+=` was refused on `h`, one of several views that `Split` returned",
        ),
        (
            Refusal.NO_GRAD_VIEW,
            NO_GRAD_TEXT.format("inference", "is being"),
            "GS204",
            "in-place `+=` was refused on `h`, a view made under `inference_mode`",
        ),
        (
            Refusal.CUSTOM_FUNCTION_VIEW,
            CUSTOM_TEXT.format("is being"),
            "GS205",
            "in-place `+=` was refused on `h`, a view that `Reverse` returned",
        ),
        (
            Refusal.MODULE_HOOK_VIEW,
            "",
            "GS206",
            "in-place `+=` was refused on `h`, which a module's backward hook wraps",
        ),
        (
            Refusal.INFERENCE_TENSOR,
            "",
            "GS207",
            "in-place `+=` was refused on `h`, which was made under `inference_mode`",
        ),
        (
            Refusal.OVERLAP,
            "more than one element of the written-to tensor",
            "GS209",
            "in-place `+=` was refused on `h`, whose elements share memory",
        ),
        (
            Refusal.OVERLAP,
            "some elements of the input tensor and the written-to tensor",
            "GS209",
            "in-place `+=` was refused on `h`, which overlaps what the write reads",
        ),
        (Refusal.VIEW_DETACHED, "", "GS211", "`detach_` was refused on `h`, a view"),
        (
            Refusal.OUT_WITH_GRADIENT,
            "",
            "GS212",
            "the result of `torch.__iadd__` was refused in `h` as `out`, for its gradient is recorded",
        ),
    ],
)
def test_refused_write(refusal: Refusal, text: str, code: str, message: str) -> None:
    said = finding(attempt(operation="__iadd__"), raised(refusal, text, line=2))
    assert (said.code, said.message) == (code, message)
    assert [(label.role, label.text) for label in said.labels] == [(Role.WRITE, "`+=` was refused here")]
    assert said.helps


def test_item_assignment_names_the_leaf() -> None:
    said = finding(attempt(operation="__setitem__"), raised(Refusal.LEAF_VIEW, line=2))
    assert said.message == "in-place `[...] =` was refused on a view of `h`, a leaf that requires grad"


def test_refused_parameter_is_told_to_leave_the_tape_first() -> None:
    said = finding(attempt(operation="__iadd__", target="weight"), raised(Refusal.LEAF, line=2), subject=WEIGHT)
    assert said.message == "in-place `+=` was refused on `fc.weight`, a parameter"
    assert said.helps[0].code == "with torch.no_grad():"


@pytest.mark.parametrize(
    ("refusal", "text", "made_by"),
    [
        (Refusal.MULTI_OUTPUT_VIEW, VIEW_TEXT, "one of several views that `chunk` returned"),
        (Refusal.CUSTOM_FUNCTION_VIEW, CUSTOM_TEXT, "a view that `Reverse` returned"),
        (Refusal.NO_GRAD_VIEW, NO_GRAD_TEXT.replace("{}", "no_grad", 1), "a view made under `no_grad`"),
    ],
)
def test_base_written_before_a_guarded_view_is_used(refusal: Refusal, text: str, made_by: str) -> None:
    elsewhere = text.format("its base or another view of its base has been")
    view = Viewed(span=at(1), operation="chunk", kind=ViewKind.MULTI_OUTPUT, sequence=SequenceNumber(5))
    said = finding(view, written(), raised(refusal, elsewhere))
    assert said.message.startswith(f"the base of `h`, {made_by}, was modified in place before")
    assert [label.role for label in said.labels] == [Role.VIEW, Role.WRITE, Role.RAISE]
    assert said.labels[1].text == "modified here: version 0 -> 1"


def test_inference_tensor_that_must_be_saved() -> None:
    said = finding(saved(operation="mul", operand="other"), raised(Refusal.INFERENCE_SAVED, line=1))
    assert said.code == "GS208"
    assert said.message == "`h`, made under `inference_mode`, was given to `mul`, which must save it for backward"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Some elements marked as dirty during the forward method were not returned as output", "it is not returned"),
        ("a leaf Variable that requires grad has been used in an in-place operation", "it is a leaf"),
        ("If your Function modifies inplace an input that is a view of another Tensor", "it is a view"),
        ("mark_dirty can only accept variables, but argument", "the mark is not a tensor"),
    ],
)
def test_dirty_marks(text: str, wrong: str) -> None:
    said = finding(written(operation="Shift.forward", writer=Writer.FUNCTION), raised(Refusal.DIRTY_MARK, text))
    assert said.code == "GS210"
    assert said.message.startswith(f"`h` was marked dirty by `Shift.forward`, but {wrong}")


@pytest.mark.parametrize("name", ["h", ""])
@pytest.mark.parametrize("refusal", [each for each in Refusal if each is not Refusal.GRAPH_FREED])
def test_every_refusal_has_a_rule_even_when_nothing_else_is_known(refusal: Refusal, name: str) -> None:
    said = finding(raised(refusal), subject=Subject(name=name))
    assert said.message
    assert said.helps
    assert "``" not in said.message


def test_a_freed_graph_is_told_only_where_a_write_led_there() -> None:
    assert judge(History(subject=Subject(name="h"), events=(raised(Refusal.GRAPH_FREED),))) is None
    said = finding(written(operation="copy_"), raised(Refusal.GRAPH_FREED))
    assert said.message == "`h` was given a history in place, which a later step reached after it was freed"
    said = finding(written(operation="zero_", keeps_history=True), raised(Refusal.GRAPH_FREED))
    assert said.message == "`h` was overwritten in place, and kept the history of an earlier step"


def test_labels_are_short() -> None:
    events = (
        saved(operand="weight"),
        written(n_times=3, access=Access.DETACHED),
        written(span=at(5), access=Access.BASE),
        written(span=at(6), writer=Writer.BACKWARD),
        Viewed(span=at(8), operation="chunk", kind=ViewKind.NO_GRAD, sequence=SequenceNumber(5)),
        needed(),
    )
    for event in events:
        words = event.describe().partition(":")[0].split()
        assert len(words) <= 8, event.describe()
