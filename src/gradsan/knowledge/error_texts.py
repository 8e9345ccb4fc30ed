"""The framework's own error texts: what each says, read back into data.

PyTorch words its refusals slightly differently from release to release: a node is ``Exp`` in 2.13 and ``ExpBackward0``
in 2.6; the hint at the end comes and goes.  Only the stable phrase of each refusal is matched, anywhere in the text, so
that a whole traceback, a log with prefixes or a wrapped quotation serves as well as the bare message.

Source: every text below was provoked under torch 2.13.0; older wordings from torch/csrc/autograd/saved_variable.cpp,
variable.cpp, custom_function.cpp and VariableTypeUtils.h, and from public reports back to torch 1.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradsan.model.event import Refusal

_DTYPES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "Long": "int64",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
"""The types whose short name is not their own in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """What an error text says; a field is None where the text does not say it.

    ``shape`` counts elements.
    """

    refusal: Refusal
    sentence: str
    """The phrase that was recognised, on one line."""
    tensor_type: str | None = None
    """``torch.FloatTensor``, ``torch.cuda.HalfTensor``, ``CPUBFloat16Type``."""
    shape: tuple[int, ...] | None = None
    output_number: int | None = None
    """Which output of ``producer`` the tensor is; a leaf or a buffer has none."""
    producer: str | None = None
    """The node that made the tensor, as written: ``Exp``, ``ExpBackward0``."""
    version_found: int | None = None
    version_expected: int | None = None
    written_elsewhere: bool = False
    """The write went to the base, or to another view of it; the error came when this view was used."""
    view_mode: str | None = None
    """``no_grad`` or ``inference_mode``: where the refused view was made."""

    @property
    def operation(self) -> str | None:
        """The producer without its ``Backward`` ending: ``Exp``."""
        return None if self.producer is None else re.sub(r"(?<=.)Backward\d*$", "", self.producer)

    @property
    def dtype(self) -> str:
        """The short name of the tensor's type, ``float32``; empty where the text does not say it."""
        name = (self.tensor_type or "").rsplit(".", 1)[-1].removesuffix("Tensor").removesuffix("Type")
        name = name.removeprefix("CPU").removeprefix("CUDA")
        return _DTYPES.get(name, name.lower())

    @property
    def n_writes(self) -> int | None:
        """How many in-place writes came between the save and the backward; None where the text does not say."""
        if self.version_found is None or self.version_expected is None:
            return None
        return self.version_found - self.version_expected


_VIEW = (
    r"Output (?P<output>\d+) of (?P<producer>[\w:<>.]+) is a view and "
    r"(?:is being|(?P<elsewhere>its base or another view of its base has been)) modified inplace\. "
)

_PATTERNS: tuple[tuple[Refusal, str], ...] = (
    (
        Refusal.SAVED_OVERWRITTEN,
        r"one of the variables needed for gradient computation has been modified by an inplace operation"
        r"(?:: \[\s*(?P<type>[\w.]+)\s*(?P<shape>\[[^\]]*\])?.*?"
        r"(?:, which is output (?P<output>\d+) of (?P<producer>[\w:<>.]+?),)?"
        r" is at version (?P<found>\d+); expected version (?P<expected>\d+))?",
    ),
    (
        Refusal.LEAF_VIEW,
        r"a view of a leaf Variable that requires grad is being used in an in-place operation",
    ),
    (Refusal.LEAF, r"a leaf Variable that requires grad is being used in an in-place operation"),
    # Only `mark_dirty` says "has been": the write itself ran inside a custom Function, where nothing is checked.
    (Refusal.DIRTY_MARK, r"a leaf Variable that requires grad has been used in an in-place operation"),
    (Refusal.MULTI_OUTPUT_VIEW, _VIEW + r"This view is the output of a function that returns multiple views"),
    (
        Refusal.MODULE_HOOK_VIEW,
        _VIEW.replace(r"[\w:<>.]+", r"BackwardHookFunction\w*") + r"This view was created inside a custom Function",
    ),
    (Refusal.CUSTOM_FUNCTION_VIEW, _VIEW + r"This view was created inside a custom Function"),
    (
        Refusal.NO_GRAD_VIEW,
        r"A view was created in (?P<mode>no_grad|inference) mode and "
        r"(?:is being|(?P<elsewhere>its base or another view of its base has been)) modified inplace",
    ),
    (Refusal.SAVED_DETACHED, r"Trying to use a saved tensor that has been detached in-place"),
    (Refusal.VIEW_DETACHED, r"Can't detach views in-place"),
    (
        Refusal.OUT_WITH_GRADIENT,
        r"functions with out=\.\.\. arguments don't support automatic differentiation,"
        r" but one of the arguments requires grad",
    ),
    (Refusal.GRAPH_FREED, r"Trying to backward through the graph a second time"),
    (
        Refusal.CAPTURED,
        r"During a grad \(vjp, jvp, grad, etc\) transform, the function provided attempted to call in-place"
        r" operation \([\w:.]+\) that would mutate a captured Tensor",
    ),
    (
        Refusal.UNMAPPED,
        r"vmap: [\w:. ]+\(self, \*extra_args\) is not possible because there exists a Tensor `other` in extra_args"
        r" that has more elements than `self`",
    ),
    (Refusal.INFERENCE_TENSOR, r"Inplace update to inference tensor outside InferenceMode is not allowed"),
    (Refusal.INFERENCE_SAVED, r"Inference tensors cannot be saved for backward"),
    (
        Refusal.OVERLAP,
        r"unsupported operation: (?:more than one element of the written-to tensor refers to a single memory"
        r" location|some elements of the input tensor and the written-to tensor refer to a single memory location"
        r"|the input tensors cannot refer to any of the output memory locations)",
    ),
    (
        Refusal.DIRTY_MARK,
        r"Some elements marked as dirty during the forward method were not returned as output"
        r"|If your Function modifies inplace an input that is a view of another Tensor"
        r"|mark_dirty can only accept variables, but argument"
        r"|dirty_tensors attribute is expected to be a tuple but is",
    ),
)
"""The stable phrase of each refusal.  The earliest match in the text wins: it is the cause, later ones are its echo.

Compiled when a text is first read.
"""

_LINE_BREAK = re.compile(r"\s*\n[\s#>|]*")


def recognise(text: str) -> ErrorText | None:
    """Read an error text, or a traceback or log that holds one.

    Args:
        text: The text; line breaks, quotation marks of mails and comment signs at line starts do not matter.

    Returns:
        What the first recognised refusal says, or None when there is none.

    Example:
        >>> said = recognise("RuntimeError: a leaf Variable that requires grad is being used in an in-place operation.")
        >>> said.refusal
        <Refusal.LEAF: 'leaf'>
    """
    line = " ".join(_LINE_BREAK.sub(" ", text).split())
    found = [(match.start(), rank, refusal, match) for rank, (refusal, match) in enumerate(_matches(line))]
    if not found:
        return None
    _, _, refusal, match = min(found, key=lambda entry: entry[:2])
    return _read(refusal, match)


def _matches(line: str) -> list[tuple[Refusal, re.Match[str]]]:
    matches = ((refusal, re.search(pattern, line)) for refusal, pattern in _PATTERNS)
    return [(refusal, match) for refusal, match in matches if match is not None]


def _read(refusal: Refusal, match: re.Match[str]) -> ErrorText:
    said = {name: value for name, value in match.groupdict().items() if value is not None}
    mode = said.get("mode")
    return ErrorText(
        refusal=refusal,
        sentence=match.group().strip().rstrip("."),
        tensor_type=said.get("type"),
        shape=_shape(said.get("shape")),
        output_number=_number(said.get("output")),
        producer=said.get("producer"),
        version_found=_number(said.get("found")),
        version_expected=_number(said.get("expected")),
        written_elsewhere="elsewhere" in said,
        view_mode="inference_mode" if mode == "inference" else mode,
    )


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _shape(text: str | None) -> tuple[int, ...] | None:
    """Read ``[32, 128]``; None for what is no plain shape (symbols, the sizes of a nested tensor)."""
    if text is None or not re.fullmatch(r"\[\s*(\d+(\s*,\s*\d+)*)?\s*\]", text):
        return None
    return tuple(int(digits) for digits in re.findall(r"\d+", text))
