"""What neither schemas nor the graph tell: aliases outside the graph, collectives, and derivatives for people.

Each fact with its source; checked on torch 2.13.0.
"""

from __future__ import annotations

from typing import Any


def _written(*names: str, parameters: str, kind: str = "function", counted: bool = True) -> dict[str, Any]:
    case = {"writes": list(names)} | ({} if counted else {"uncounted": list(names)})
    return {"kind": kind, "parameters": parameters.split(), "cases": [case]}


def _alias(parameters: str = "self:T", *, maybe: bool = False, of: str = "self") -> dict[str, Any]:
    case: dict[str, Any] = {"aliases": [of]}
    if maybe:
        case |= {"may_return_input": True, "maybe": [f"aliases:{of}"]}
    kind = "method" if of == "self" else "function"
    return {"kind": kind, "parameters": parameters.split(), "cases": [case]}


HAND_ROWS: dict[str, dict[str, Any]] = {
    # Aliases outside the graph.  Source: docs/source/notes/autograd.rst; run.
    "Tensor.data": _alias(),
    "Tensor.numpy": _alias("self:T * force=false"),
    "Tensor.__array__": _alias("self:T dtype=null", maybe=True),
    "Tensor.__dlpack__": _alias("self:T * stream=-1 max_version=null dl_device=null copy=null", maybe=True),
    "Tensor.untyped_storage": _alias(),
    "Tensor.storage": _alias(),
    "Tensor.detach": _alias() | {"backward": None},
    "detach": _alias() | {"kind": "function", "backward": None},
    "from_numpy": {"parameters": ["ndarray"], "cases": [{"aliases": ["ndarray"]}]},
    "to_dlpack": _alias("tensor:T", of="tensor"),
    "from_dlpack": {"parameters": ["ext_tensor"], "cases": [{"aliases": ["ext_tensor"]}]},
    "Tensor.share_memory_": {
        "kind": "method",
        "parameters": ["self:T"],
        "cases": [{"aliases": ["self"], "may_return_input": True}],
    },
    "Tensor.cuda": _alias("self:T device=null non_blocking=false", maybe=True) | {"differentiable": True},
    # Whether they copy depends on what the tensor already is.  Source: the documentation of each; run.
    "to": {"cases": [{"when": {"copy": {"is": [True]}}}, _alias(maybe=True)["cases"][0]]},
    "type_as": _alias("self:T other:T", maybe=True),
    "Tensor.type": _alias("self:T dtype=null non_blocking=false", maybe=True),
    "as_tensor": _alias("data:T dtype=null device=null", maybe=True, of="data") | {"differentiable": True},
    "asarray": {
        "parameters": ["obj:T", "*", "dtype=null", "device=null", "copy=null", "requires_grad=false"],
        "differentiable": True,
        "cases": [{"when": {"copy": {"is": [True]}}}, _alias(maybe=True, of="obj")["cases"][0]],
    },
    "tensor": {"parameters": ["data:T", "*", "dtype=null", "device=null", "requires_grad=false", "pin_memory=false"]},
    "Tensor.new_tensor": {"kind": "method", "parameters": ["self:T", "data:T", "*", "dtype=null", "device=null"]},
    "frombuffer": {"parameters": ["buffer", "*", "dtype", "count=-1", "offset=0"], "cases": [{"aliases": ["buffer"]}]},
    "Tensor.as_subclass": {
        "kind": "method",
        "parameters": ["self:T", "cls"],
        "differentiable": True,
        "cases": [{"aliases": ["self"], "views": "single"}],
    },
    "nn.Parameter": {
        "parameters": ["data:T=null", "requires_grad=true"],
        "cases": [{"aliases": ["data"]}],
    },
    "nn.Buffer": {"parameters": ["data:T=null", "*", "persistent=true"], "cases": [{"aliases": ["data"]}]},
    "pin_memory": _alias("self:T device=null", maybe=True) | {"differentiable": True},
    # They call back for each element, and the version counter doesn't see it.  Source: run.
    **{
        f"Tensor.{name}": {
            "kind": "method",
            "parameters": parameters.split(),
            "cases": [{"writes": ["self"], "uncounted": ["self"], "aliases": ["self"]}],
        }
        for name, parameters in (
            ("apply_", "self:T callable"),
            ("map_", "self:T tensor:T callable"),
            ("map2_", "self:T x:T y:T callable"),
        )
    },
    # They write only where the size changes.  Source: run.
    **{
        name: {
            "cases": [
                {"writes": ["self"], "aliases": ["self"], "may_return_input": True, "maybe": ["writes:self"]},
            ]
        }
        for name in ("resize_", "resize_as_")
    },
    # Its derivative is written in C++.  Source: tools/autograd/derivatives.yaml, the note on `copy_`; run.
    "copy_": {"differentiable": True},
    # Backward of a leaf's own doors: nothing of the tensor is saved.
    "Tensor.backward": {
        "kind": "other",
        "parameters": ["self:T", "gradient:T=null", "retain_graph=null", "create_graph=false", "inputs=null"],
    },
    "Tensor.register_hook": {"kind": "other", "parameters": ["self:T", "hook"]},
    "Tensor.register_post_accumulate_grad_hook": {"kind": "other", "parameters": ["self:T", "hook"]},
    "Tensor.grad": {"kind": "other", "parameters": ["self:T"]},
    "Tensor.name": {"kind": "other", "parameters": ["self:T"]},
    # Sparse tensors have no storage to compare.  Source: derivatives.yaml (`_sparse_sum`, `_sparse_softmax`,
    # `_sparse_addmm`, `_to_dense`, `_sparse_coo_tensor_with_dims_and_tensors`); run.
    "Tensor.to_sparse": {"kind": "method", "parameters": ["self:T", "*args"], "differentiable": True},
    **{
        f"Tensor.to_sparse_{layout}": {"kind": "method", "parameters": ["self:T", "*args"], "differentiable": True}
        for layout in ("coo", "csr", "csc", "bsr", "bsc")
    },
    "to_dense": {
        "differentiable": True,
        "cases": [
            {
                "saves": {"self": []},
                "aliases": ["self"],
                "may_return_input": True,
                "maybe": ["self", "aliases:self"],
            }
        ],
    },
    "coalesce": _alias(maybe=True) | {"differentiable": True},
    "sparse_coo_tensor": {
        "kind": "function",
        "parameters": ["indices:T", "values:T", "size=null", "*", "dtype=null", "device=null", "requires_grad=false"],
        "differentiable": True,
        "cases": [{"saves": {"result": []}}],
        "backward": "SparseCooTensorWithDimsAndTensorsBackward0",
    },
    "sparse.mm": {
        "parameters": ["mat1:T", "mat2:T"],
        "differentiable": True,
        "cases": [{"saves": {"mat1": ["mat2"], "mat2": ["mat1"]}}],
    },
    "sparse.addmm": {
        "parameters": ["mat:T", "mat1:T", "mat2:T", "*", "beta=1.0", "alpha=1.0"],
        "differentiable": True,
        "cases": [{"saves": {"mat1": ["mat2"], "mat2": ["mat1"]}}],
    },
    "sparse.sum": {
        "parameters": ["input:T", "dim=null", "dtype=null"],
        "differentiable": True,
        "cases": [{"saves": {"input": []}}],
    },
    **{
        f"sparse.{name}": {
            "parameters": ["input:T", "dim", "*", "dtype=null"],
            "differentiable": True,
            "cases": [{"saves": {"input": [], "result": []}}],
        }
        for name in ("softmax", "log_softmax")
    },
    # Their schemas mark `self` as written, but they change what is known of the tensor, not its values.
    "requires_grad_": _alias("self:T requires_grad=true"),
    "retain_grad": {"kind": "method", "parameters": ["self:T"], "cases": [{}], "differentiable": False},
    "detach_": _alias(),
    # Collectives: no schema of c10d carries an alias annotation.
    # Source: torch/distributed/distributed_c10d.py, the documentation of each function (torch 2.13.0); which of them
    # the version counter misses: run, backend gloo.
    "distributed.all_reduce": _written("tensor", parameters="tensor:T op=? group=null async_op=false", counted=False),
    "distributed.all_reduce_coalesced": _written("tensors", parameters="tensors:T op=? group=null async_op=false"),
    "distributed.broadcast": _written(
        "tensor", parameters="tensor:T src=null group=null async_op=false", counted=False
    ),
    "distributed.reduce": _written(
        "tensor", parameters="tensor:T dst=null op=? group=null async_op=false", counted=False
    ),
    "distributed.all_gather": _written("tensor_list", parameters="tensor_list:T tensor:T group=null async_op=false"),
    "distributed.all_gather_into_tensor": _written(
        "output_tensor", parameters="output_tensor:T input_tensor:T group=null async_op=false"
    ),
    "distributed.gather": _written("gather_list", parameters="tensor:T gather_list:T=null dst=null group=null"),
    "distributed.scatter": _written(
        "tensor", parameters="tensor:T scatter_list:T=null src=null group=null", counted=False
    ),
    "distributed.reduce_scatter": _written("output", parameters="output:T input_list:T op=? group=null"),
    "distributed.reduce_scatter_tensor": _written("output", parameters="output:T input:T op=? group=null"),
    "distributed.all_to_all": _written(
        "output_tensor_list", parameters="output_tensor_list:T input_tensor_list:T group=null async_op=false"
    ),
    "distributed.all_to_all_single": _written(
        "output",
        parameters="output:T input:T output_split_sizes=null input_split_sizes=null group=null",
        counted=False,
    ),
    "distributed.recv": _written("tensor", parameters="tensor:T src=null group=null tag=0"),
    "distributed.irecv": _written("tensor", parameters="tensor:T src=null group=null tag=0"),
    "distributed.send": _written(parameters="tensor:T dst=null group=null tag=0"),
    "c10d::allreduce_": _written("tensors", parameters="tensors:T", kind="schema"),
    "c10d::allreduce_coalesced_": _written("tensors", parameters="tensors:T", kind="schema"),
    "c10d::broadcast_": _written("tensors", parameters="tensors:T", kind="schema"),
    "c10d::reduce_": _written("tensors", parameters="tensors:T", kind="schema"),
    "c10d::allgather_": _written("output_tensors", parameters="output_tensors:T input_tensors:T", kind="schema"),
    "c10d::_allgather_base_": _written("output_tensor", parameters="output_tensor:T input_tensor:T", kind="schema"),
    "c10d::gather_": _written("output_tensors", parameters="output_tensors:T input_tensors:T", kind="schema"),
    "c10d::scatter_": _written("output_tensors", parameters="output_tensors:T input_tensors:T", kind="schema"),
    "c10d::reduce_scatter_": _written("output_tensors", parameters="output_tensors:T input_tensors:T", kind="schema"),
    "c10d::_reduce_scatter_base_": _written(
        "output_tensor", parameters="output_tensor:T input_tensor:T", kind="schema"
    ),
    "c10d::alltoall_": _written("output_tensors", parameters="output_tensors:T input_tensors:T", kind="schema"),
    "c10d::alltoall_base_": _written("output", parameters="output:T input:T", kind="schema"),
    "c10d::recv_": _written("tensors", parameters="tensors:T", kind="schema"),
    # A module that hands on what it got.
    "nn.Identity": {
        "kind": "module",
        "parameters": ["*args", "*", "training=true"],
        "inputs": ["input"],
        "differentiable": True,
        "cases": [{"aliases": ["input"], "may_return_input": True}],
    },
}

for _name in (
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "eye_",
    "dirac_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "orthogonal_",
    "sparse_",
):
    # Source: torch/nn/init.py (torch 2.13.0): each fills `tensor` under no_grad and returns it.
    HAND_ROWS[f"nn.init.{_name}"] = {
        "parameters": ["tensor:T", "*rest"],
        "cases": [{"writes": ["tensor"], "aliases": ["tensor"], "may_return_input": True}],
    }

SAME: dict[str, str] = {
    # Slots of the C type: no Python object tells that they are the method.  Source: torch/_tensor.py (torch 2.13.0).
    "Tensor.__neg__": "neg",
    "Tensor.__abs__": "abs",
    "Tensor.__pos__": "positive",
    "Tensor.__rdiv__": "Tensor.__rtruediv__",
    # The name that the function's object bears.
    "_segment_reduce": "segment_reduce",
    # Composites that write: their schemas don't tell that they are other names.  Source: documentation of each.
    "less_": "lt_",
    "less_equal_": "le_",
    "greater_": "gt_",
    "greater_equal_": "ge_",
    "not_equal_": "ne_",
}
"""Public name -> the operation that it is another name of."""

DERIVATIVES: dict[str, str] = {
    "sigmoid": "grad * result * (1 - result)",
    "tanh": "grad * (1 - result ** 2)",
    "exp": "grad * result",
    "exp2": "grad * result * log(2)",
    "expm1": "grad * (result + 1)",
    "sqrt": "grad / (2 * result)",
    "rsqrt": "-grad / 2 * result ** 3",
    "reciprocal": "-grad * result ** 2",
    "relu": "grad where result > 0, else 0",
    "nn.functional.relu": "grad where result > 0, else 0",
    "tan": "grad * (1 + result ** 2)",
    "log": "grad / self",
    "log2": "grad / (self * log(2))",
    "log10": "grad / (self * log(10))",
    "log1p": "grad / (self + 1)",
    "sin": "grad * cos(self)",
    "cos": "-grad * sin(self)",
    "abs": "grad * sign(self)",
    "square": "grad * 2 * self",
    "pow": "grad * exponent * self ** (exponent - 1)",
    "add": "grad",
    "sub": "grad",
    "neg": "-grad",
    "mul": "grad * other, and grad * self",
    "div": "grad / other, and -grad * self / other ** 2",
    "mm": "grad @ mat2.T, and self.T @ grad",
    "bmm": "grad @ mat2.mT, and self.mT @ grad",
    "softmax": "result * (grad - (grad * result).sum(dim))",
    "nn.functional.softmax": "result * (grad - (grad * result).sum(dim))",
    "log_softmax": "grad - exp(result) * grad.sum(dim)",
    "nn.functional.log_softmax": "grad - exp(result) * grad.sum(dim)",
    "nn.functional.gelu": "grad * (cdf(input) + input * pdf(input)) of the normal distribution",
    "nn.functional.silu": "grad * s * (1 + input * (1 - s)) with s = sigmoid(input)",
    "nn.functional.leaky_relu": "grad where input > 0, else grad * negative_slope",
    "nn.functional.elu": "grad where input > 0, else grad * alpha * exp(input)",
    "nn.functional.softplus": "grad * sigmoid(beta * input)",
    "nn.functional.linear": "grad @ weight, and grad.T @ input",
    "clamp": "grad where min <= self <= max, else 0",
    "masked_fill": "grad where not mask, else 0",
    "where": "grad where condition; grad where not condition",
    "sum": "grad, expanded",
    "mean": "grad / n, expanded",
    "cumsum": "reversed cumulative sum of grad",
    "prod": "grad * result / self",
    "cumprod": "from self and result",
    "sinh": "grad * cosh(self)",
    "cosh": "grad * sinh(self)",
    "atan": "grad / (1 + self ** 2)",
    "erf": "grad * 2 / sqrt(pi) * exp(-self ** 2)",
    "logsumexp": "grad * exp(self - result)",
    "norm": "grad * self / result for p = 2",
}
