# framework: torch
# outcome: raises
"""A recurrent form of linear attention: every step reads the state with a matmul and then adds to it."""

import torch


def linear_attention(queries, keys, values):
    state = torch.zeros(queries.shape[-1], values.shape[-1])
    outputs = []
    for query, key, value in zip(queries, keys, values):
        outputs.append(query @ state)
        state = state + torch.outer(key, value)
    return torch.stack(outputs)


torch.manual_seed(0)
projection = torch.randn(4, 12, requires_grad=True)
queries, keys, values = (torch.randn(5, 4) @ projection).chunk(3, dim=-1)
linear_attention(queries, keys, values).sum().backward()
