# framework: torch
# outcome: raises
import torch


def squashed(x: torch.Tensor) -> torch.Tensor:
    y = torch.sigmoid(x)  #~ label: `sigmoid` saved its result
    y.mul_(2)  #~ error[GS101]: `y` was modified in place after `sigmoid` saved it
    return y


torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation=squashed, batch_first=True)
encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
encoder(torch.randn(2, 3, 4)).sum().backward()
