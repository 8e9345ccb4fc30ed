# framework: torch
# outcome: raises
import torch


def squashed(x: torch.Tensor) -> torch.Tensor:
    y = torch.sigmoid(x)
    y = y.mul(2)
    return y


torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation=squashed, batch_first=True)
encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
encoder(torch.randn(2, 3, 4)).sum().backward()
