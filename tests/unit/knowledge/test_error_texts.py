"""Error texts of PyTorch 1.5 to 2.13, as people paste them."""

from __future__ import annotations

import pytest

from gradsan.knowledge.error_texts import ErrorText, recognise
from gradsan.model.event import Refusal

OVERWRITTEN = "one of the variables needed for gradient computation has been modified by an inplace operation: "
HINT = (
    " Hint: enable anomaly detection to find the operation that failed to compute its gradient, with"
    " torch.autograd.set_detect_anomaly(True, check_nan=False)."
)
CUSTOM = (
    " This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic"
    " to handle view+inplace would override the custom backward associated with the custom Function, leading to"
    " incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function."
)
MULTI = (
    " This view is the output of a function that returns multiple views. Such functions do not allow the output views"
    " to be modified inplace. You should replace the inplace operation by an out-of-place one."
)


def read(text: str) -> ErrorText:
    said = recognise(text)
    assert said is not None, text
    return said


@pytest.mark.parametrize(
    ("text", "tensor_type", "shape", "output", "producer", "operation", "found", "expected"),
    [
        (
            "[torch.FloatTensor [32, 128]], which is output 0 of Exp, is at version 1; expected version 0 instead.",
            "torch.FloatTensor",
            (32, 128),
            0,
            "Exp",
            "Exp",
            1,
            0,
        ),
        (
            "[torch.cuda.HalfTensor [2, 3, 4]], which is output 1 of SplitBackward0, is at version 12; expected"
            " version 10 instead.",
            "torch.cuda.HalfTensor",
            (2, 3, 4),
            1,
            "SplitBackward0",
            "Split",
            12,
            10,
        ),
        (
            "[torch.FloatTensor [10, 5]] is at version 2; expected version 1 instead.",
            "torch.FloatTensor",
            (10, 5),
            None,
            None,
            None,
            2,
            1,
        ),
        (
            "[torch.FloatTensor []], which is output 0 of ReluBackward, is at version 3; expected version 1 instead.",
            "torch.FloatTensor",
            (),
            0,
            "ReluBackward",
            "Relu",
            3,
            1,
        ),
        (
            "[CPUBFloat16Type [3]], which is output 0 of torch::autograd::CopySlices, is at version 1; expected"
            " version 0 instead.",
            "CPUBFloat16Type",
            (3,),
            0,
            "torch::autograd::CopySlices",
            "torch::autograd::CopySlices",
            1,
            0,
        ),
        (
            "[torch.FloatTensor  2\n 3\n[ torch.LongTensor{2,1} ]], which is output 0 of Tanh, is at version 1;"
            " expected version 0 instead.",
            "torch.FloatTensor",
            None,
            0,
            "Tanh",
            "Tanh",
            1,
            0,
        ),
        (
            "[torch.FloatTensor [s0, 3]], which is output 0 of SoftmaxBackward0, is at version 1; expected version 0"
            " instead.",
            "torch.FloatTensor",
            None,
            0,
            "SoftmaxBackward0",
            "Softmax",
            1,
            0,
        ),
    ],
)
@pytest.mark.parametrize("around", ["{}", "RuntimeError: {}", "[rank1]: RuntimeError: {}" + HINT])
def test_overwritten_saved_tensor(
    around: str,
    text: str,
    tensor_type: str,
    shape: tuple[int, ...] | None,
    output: int | None,
    producer: str | None,
    operation: str | None,
    found: int,
    expected: int,
) -> None:
    said = read(around.format(OVERWRITTEN + text))
    assert said.refusal is Refusal.SAVED_OVERWRITTEN
    assert (said.tensor_type, said.shape) == (tensor_type, shape)
    assert (said.output_number, said.producer, said.operation) == (output, producer, operation)
    assert (said.version_found, said.version_expected, said.n_writes) == (found, expected, found - expected)


def test_overwritten_text_that_was_cut_off() -> None:
    said = read("RuntimeError: " + OVERWRITTEN + "[torch.Flo")
    assert said.refusal is Refusal.SAVED_OVERWRITTEN
    assert said.tensor_type is None
    assert said.n_writes is None


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("a leaf Variable that requires grad is being used in an in-place operation.", Refusal.LEAF),
        ("a view of a leaf Variable that requires grad is being used in an in-place operation.", Refusal.LEAF_VIEW),
        ("Output 0 of Split is a view and is being modified inplace." + MULTI, Refusal.MULTI_OUTPUT_VIEW),
        ("Output 54 of BroadcastBackward is a view and is being modified inplace." + MULTI, Refusal.MULTI_OUTPUT_VIEW),
        ("Output 0 of F is a view and is being modified inplace." + CUSTOM, Refusal.CUSTOM_FUNCTION_VIEW),
        ("Output 0 of Alias is a view and is being modified inplace." + CUSTOM, Refusal.CUSTOM_FUNCTION_VIEW),
        (
            "Output 0 of BackwardHookFunctionBackward is a view and is being modified inplace." + CUSTOM,
            Refusal.MODULE_HOOK_VIEW,
        ),
        (
            "Output 0 of BackwardHookFunction is a view and is being modified inplace." + CUSTOM,
            Refusal.MODULE_HOOK_VIEW,
        ),
        (
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that",
            Refusal.NO_GRAD_VIEW,
        ),
        (
            "A view was created in inference mode and is being modified inplace in normal mode. Given that this",
            Refusal.NO_GRAD_VIEW,
        ),
        (
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get",
            Refusal.INFERENCE_TENSOR,
        ),
        ("Inference tensors cannot be saved for backward. Please do not use", Refusal.INFERENCE_SAVED),
        ("Inference tensors cannot be saved for backward. To work around", Refusal.INFERENCE_SAVED),
        (
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location.",
            Refusal.OVERLAP,
        ),
        (
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single"
            " memory location. Please clone() the tensor before performing the operation.",
            Refusal.OVERLAP,
        ),
        (
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are",
            Refusal.DIRTY_MARK,
        ),
        ("a leaf Variable that requires grad has been used in an in-place operation.", Refusal.DIRTY_MARK),
        (
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return",
            Refusal.DIRTY_MARK,
        ),
        ("mark_dirty can only accept variables, but argument 0 is of type int", Refusal.DIRTY_MARK),
        ("Can't detach views in-place. Use detach() instead. If you are using", Refusal.VIEW_DETACHED),
        ("Can't detach views in-place. Use detach() instead", Refusal.VIEW_DETACHED),
        (
            "vmap: aten::copy_(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args"
            " that has more elements than `self`.",
            Refusal.UNMAPPED,
        ),
        (
            "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation"
            " (aten::add_.Tensor) that would mutate a captured Tensor.",
            Refusal.CAPTURED,
        ),
        (
            "Trying to backward through the graph a second time, but the buffers have already been freed.",
            Refusal.GRAPH_FREED,
        ),
        (
            "add(): functions with out=... arguments don't support automatic differentiation, but one of the arguments"
            " requires grad.",
            Refusal.OUT_WITH_GRADIENT,
        ),
    ],
)
def test_other_refusals(text: str, refusal: Refusal) -> None:
    assert read(text).refusal is refusal
    assert read("RuntimeError: " + text).refusal is refusal


@pytest.mark.parametrize("mode", ["no_grad", "inference"])
def test_view_made_with_gradients_off_says_which_mode(mode: str) -> None:
    said = read(f"A view was created in {mode} mode and is being modified inplace with grad mode enabled.")
    assert said.view_mode == {"no_grad": "no_grad", "inference": "inference_mode"}[mode]
    assert not said.written_elsewhere


@pytest.mark.parametrize(
    "text",
    [
        "Output 1 of UnbindBackward0 is a view and its base or another view of its base has been modified inplace."
        + MULTI,
        "Output 0 of F is a view and its base or another view of its base has been modified inplace." + CUSTOM,
        "A view was created in no_grad mode and its base or another view of its base has been modified inplace with",
    ],
)
def test_write_through_the_base_is_told_apart(text: str) -> None:
    assert read(text).written_elsewhere


def test_text_wrapped_in_a_mail_or_a_comment() -> None:
    said = read(
        """
        # > RuntimeError: one of the variables needed for gradient computation
        # > has been modified by an inplace operation: [torch.FloatTensor [2, 16, 256]],
        # > which is output 0 of AddBackward0, is at version 1; expected version 0 instead.
        """
    )
    assert (said.shape, said.operation, said.n_writes) == ((2, 16, 256), "Add", 1)


def test_first_refusal_of_a_traceback_is_the_cause() -> None:
    said = read(
        'File "train.py", line 3, in <module>\n    w += 1\n'
        "RuntimeError: a leaf Variable that requires grad is being used in an in-place operation.\n\n"
        "During handling of the above exception, another exception occurred:\n"
        "RuntimeError: Inference tensors cannot be saved for backward."
    )
    assert said.refusal is Refusal.LEAF


@pytest.mark.parametrize(
    "text",
    [
        "",
        "element 0 of tensors does not require grad and does not have a grad_fn",
        "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert recognise(text) is None


@pytest.mark.parametrize(
    ("tensor_type", "dtype"),
    [
        ("torch.FloatTensor", "float32"),
        ("torch.cuda.HalfTensor", "float16"),
        ("CPUBFloat16Type", "bfloat16"),
        ("torch.ComplexFloatTensor", "complex64"),
        (None, ""),
    ],
)
def test_the_dtype_of_a_tensor_type(tensor_type: str | None, dtype: str) -> None:
    said = ErrorText(refusal=Refusal.SAVED_OVERWRITTEN, sentence="", tensor_type=tensor_type)
    assert said.dtype == dtype
