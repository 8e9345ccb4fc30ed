"""Observes ``torch.nn`` modules: constructor arguments and the mode decide, parameters and buffers are operands."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.testing._internal.common_modules import module_db

from gradsan.frameworks.torch.table.calls import Bound, Call, CannotBind, facts
from gradsan.frameworks.torch.table.inventory import signature_texts
from gradsan.frameworks.torch.table.module_programs import module_programs


def module_name(kind: type[nn.Module]) -> str:
    """Return the table's name of a module class."""
    return f"nn.{kind.__name__}"


def constructor_texts(kind: type[nn.Module]) -> list[str]:
    """Return the parameters of the constructor, and ``training``."""
    texts = [t for t in signature_texts(_constructor(kind)) if t != "self" and not t.startswith(("device", "dtype"))]
    return [*texts, *([] if "*" in texts else ["*"]), "training=true"]


def _constructor(kind: type[nn.Module]) -> inspect.Signature:
    """Return the constructor's signature; the recurrent modules keep theirs in their base, after ``mode``."""
    if not issubclass(kind, nn.RNNBase):
        return inspect.signature(kind.__init__)
    signature = inspect.signature(nn.RNNBase.__init__)
    parameters = [p for p in signature.parameters.values() if p.name != "mode"]
    if kind is nn.RNN:
        parameters.append(inspect.Parameter("nonlinearity", inspect.Parameter.KEYWORD_ONLY, default="tanh"))
    return signature.replace(parameters=parameters)


def forward_names(kind: type[nn.Module]) -> tuple[str, ...]:
    """Return the names of the inputs."""
    return tuple(n.lstrip("*") for n in inspect.signature(kind.forward).parameters if n != "self")


def module_call(
    kind: type[nn.Module],
    constructor: tuple[tuple[Any, ...], dict[str, Any]],
    inputs: tuple[tuple[Any, ...], dict[str, Any]],
    *,
    training: bool,
    dtype: torch.dtype = torch.float64,
) -> Call:
    """Build one call.

    Raises:
        CannotBind: The arguments don't fit the signatures.
    """
    args, keywords = constructor
    try:
        made = _constructor(kind).bind(None, *args, **keywords)
        passed = inspect.signature(kind.forward).bind(None, *inputs[0], **inputs[1])
    except TypeError as error:
        raise CannotBind(str(error)) from error
    made.apply_defaults()
    module = kind(*args, **keywords).train(training).to(dtype)
    constructed = {n: facts(v) for n, v in made.arguments.items() if n not in ("self", "device", "dtype")}
    inputs_bound = {n: v for n, v in passed.arguments.items() if n != "self"}
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    state = {n: v for n, v in state.items() if n not in inputs_bound}

    def run(values: Bound) -> Any:
        given = {n: values[n] for n in inputs_bound}
        return functional_call(module, {n: values[n] for n in state}, args=(), kwargs=given)

    context = constructed | {"training": training}
    return Call(name=module_name(kind), run=run, bound=inputs_bound | state, context=context)


def database_calls(
    *, only: frozenset[str] | None = None, limit: int | None = None
) -> Iterator[tuple[str, Call | None, str]]:
    """Yield (name, call, trouble) for the inputs of torch's module database, in train and eval mode."""
    for info in module_db:
        kind = info.module_cls
        name = module_name(kind)
        if only is not None and name not in only:
            continue
        if kind.__name__.startswith("Lazy"):
            yield name, None, "becomes its eager twin at the first call"
            continue
        # Single precision takes kernels of its own in recurrent modules (oneDNN).
        dtypes = (torch.float64, torch.float32) if issubclass(kind, nn.RNNBase) else (torch.float64,)
        for dtype, training in product(dtypes, (True, False)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(0)
                for sample in info.module_inputs_func(info, "cpu", dtype, True, training)[:limit]:
                    if sample.forward_input is not None:
                        yield _database_call(kind, sample, dtype=dtype, training=training)


def _database_call(
    kind: type[nn.Module], sample: Any, *, dtype: torch.dtype, training: bool
) -> tuple[str, Call | None, str]:
    constructor, inputs = sample.constructor_input, sample.forward_input
    keywords = dict(constructor.kwargs) | {"dtype": dtype, "device": "cpu"}
    accepted = inspect.signature(kind.__init__).parameters
    keywords = {k: v for k, v in keywords.items() if k in accepted or k in constructor.kwargs}
    made = (tuple(constructor.args), keywords)
    try:
        call = module_call(kind, made, (tuple(inputs.args), dict(inputs.kwargs)), training=training, dtype=dtype)
    except (CannotBind, RuntimeError, TypeError, AttributeError) as error:
        return module_name(kind), None, str(error).partition("\n")[0]
    return call.name, call, ""


def own_calls() -> Iterator[tuple[str, Call | None, str]]:
    """Yield (name, call, trouble) for the modules of our own, in train and eval mode."""
    for kind, args, keywords, inputs in module_programs():
        for training in (True, False):
            floating = [t.dtype for t in inputs if isinstance(t, torch.Tensor) and t.is_floating_point()]
            dtype = floating[0] if floating else torch.float64
            try:
                call = module_call(kind, (args, keywords), (inputs, {}), training=training, dtype=dtype)
                yield call.name, call, ""
            except (CannotBind, RuntimeError) as error:
                yield module_name(kind), None, str(error).partition("\n")[0]
