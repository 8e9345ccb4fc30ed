"""What else a person should know of a callable: one sentence that no case can say.

Each with its source; checked on torch 2.13.0 where not said otherwise.
"""

from __future__ import annotations

_SILENT = "The version counter doesn't count writes through it: backward computes a wrong gradient without an error."
_OVERLAP = "Where it repeats an element, a write to the result is refused: `clone()` it first."
_CUDNN = (
    "On CUDA cuDNN runs it, whatever the type: `input`, `hx`, the parameters and the first result are saved."
    # Source: derivatives.yaml, `_cudnn_rnn` (torch 2.13.0); read, not run.
)

_ONEDNN = (
    "In single precision on a CPU oneDNN runs it and saves the first result too, unless `bidirectional` or `proj_size`"
    " is set."
    # Source: run.
)

NOTES: dict[str, str] = {
    # Source: docs/source/notes/autograd.rst; run.
    "Tensor.data": _SILENT,
    "Tensor.numpy": _SILENT,
    "Tensor.__array__": _SILENT,
    "Tensor.__dlpack__": _SILENT,
    "to_dlpack": _SILENT,
    "Tensor.untyped_storage": _SILENT,
    "Tensor.storage": _SILENT,
    "from_numpy": "The version counter doesn't count writes that NumPy makes to the array.",
    "frombuffer": "The version counter doesn't count writes that others make to the buffer.",
    "detach": "It shares the version counter: a write through it raises where a write to its input would.",
    "nn.Parameter": "It shares memory and version counter with the tensor that it is made of.",
    "nn.Buffer": "It shares memory with the tensor that it is made of.",
    "Tensor.backward": "It frees the saved tensors of the graph, unless `retain_graph=True`, and adds to `.grad` of the"
    " leaves in place.",
    "Tensor.grad": "It is None, or the tensor that backward adds to in place.",
    # Source: run; the message is "more than one element of the written-to tensor refers to a single memory location".
    "expand": _OVERLAP,
    "expand_as": _OVERLAP,
    "broadcast_to": _OVERLAP,
    "broadcast_tensors": _OVERLAP,
    "meshgrid": _OVERLAP,
    "nn.LSTM": f"{_ONEDNN} {_CUDNN}",
    "nn.GRU": _CUDNN,
    "nn.RNN": _CUDNN,
    "lstm": f"{_ONEDNN} {_CUDNN}",
    "gru": _CUDNN,
    "rnn_tanh": _CUDNN,
    "rnn_relu": _CUDNN,
    # Source: torch/_tensor.py and aten/src/ATen/native/Copy.cpp; run.
    "copy_": "Gradients flow to `src`, and no longer to what `self` was.",
}
"""Name -> the sentence."""
