"""What surrounds operations and saves nothing itself: containers, parameters, grad modes, settings of torch."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.overrides import get_ignored_functions

from gradsan.frameworks.torch.table.modules import constructor_texts, forward_names, module_name

Rows = dict[str, dict[str, Any]]

TAKES_NO_TENSOR = "It takes no tensor, so there is nothing to save, write or alias."

_TAKES_TENSORS = frozenset(
    {"as_tensor", "asarray", "from_numpy", "frombuffer", "load", "result_type", "save", "tensor", "typename"}
    | {"compile", "cond", "fork", "import_ir_module", "import_ir_module_from_buffer", "vander", "vmap", "wait"}
)
"""Of the functions that no tensor subclass overrides, those that take or hand out tensors all the same."""

_MODES = "Under it operations record nothing and save nothing; writes move the version counter all the same"

CONTAINERS: dict[str, str] = {
    "nn.Module": "The base class does nothing itself: what is saved depends on its `forward`.",
    "nn.Sequential": "It saves nothing itself; each of its modules saves what that module saves.",
    "nn.ModuleList": "It only holds modules; each saves what it saves when it is called.",
    "nn.ModuleDict": "It only holds modules; each saves what it saves when it is called.",
    "nn.ParameterList": "It only holds parameters.",
    "nn.ParameterDict": "It only holds parameters.",
    "nn.DataParallel": "It runs copies of its module: what is saved depends on the module.",
    "nn.parallel.DistributedDataParallel": "It runs its module, which saves what it saves; before each forward it"
    " broadcasts the buffers in place, without moving their version counters.",
    "no_grad": f"{_MODES}, so a write to what was saved before still raises.",
    "enable_grad": "Under it operations record and save as usual.",
    "set_grad_enabled": "It switches whether operations record, and with that whether they save.",
    "set_default_dtype": TAKES_NO_TENSOR,
    "save": "It writes values to a file; nothing is kept for backward.",
    "load": "It makes new tensors from a file; with `mmap=True` they share the file's memory.",
    "Tensor.is_contiguous": "It returns no tensor: nothing is saved, written or shared.",
    "nn.RNNBase": "The base class of `nn.RNN`, `nn.GRU` and `nn.LSTM`: what is saved depends on which of them.",
    "nn.RNNCellBase": "The base class of `nn.RNNCell`, `nn.GRUCell` and `nn.LSTMCell`.",
    "inference_mode": f"{_MODES}; tensors made under it can't be saved for backward later.",
    "vmap": "It maps a function over a dimension: what is saved is what the function's operations save.",
    "compile": "What is saved is what the compiled graph saves, which may differ from the operations run one by one.",
    "utils.checkpoint.checkpoint": "It saves the arguments and runs the function again in backward; inside the region"
    " the version check is off, so a write there gives a wrong gradient instead of an error.",
    "autograd.grad": "It runs backward and frees the saved tensors, unless `retain_graph=True`.",
    "autograd.backward": "It runs backward and frees the saved tensors, unless `retain_graph=True`; it adds to `.grad`"
    " of the leaves in place.",
    "nn.utils.clip_grad_norm_": "It writes the `.grad` of each parameter in place, not the parameter.",
    "nn.utils.clip_grad_value_": "It writes the `.grad` of each parameter in place, not the parameter.",
}
"""Name -> what a person asks about it.  Source: the documentation of each (torch 2.13.0)."""


def surroundings(known: Rows) -> Rows:
    """Return rows for what is no operation, as far as ``known`` lacks them."""
    rows = {name: _row(name, note) for name, note in CONTAINERS.items() if "cases" not in known.get(name, {})}
    for function in get_ignored_functions():
        name = getattr(function, "__name__", "")
        if getattr(torch, name, None) is function and name not in _TAKES_TENSORS and not name.startswith("_"):
            rows.setdefault(name, _row(name, TAKES_NO_TENSOR))
    return {name: row for name, row in rows.items() if "cases" not in known.get(name, {})} | lazy_modules(known)


def _row(name: str, note: str) -> dict[str, Any]:
    return {"name": name, "kind": "other", "cases": [{}], "note": note, "source": "by hand"}


def lazy_modules(known: Rows) -> Rows:
    """Return rows for the lazy modules: their own constructor, and what the module does that they become."""
    rows: Rows = {}
    for attribute, kind in vars(nn).items():
        is_module = inspect.isclass(kind) and issubclass(kind, nn.Module)
        twin = getattr(kind, "cls_to_become", None) if is_module else None
        if twin is not None and (row := known.get(module_name(twin))) is not None:
            name = f"nn.{attribute}"
            rows[name] = row | {"name": name, "parameters": constructor_texts(kind), "inputs": [*forward_names(twin)]}
    return rows
