# framework: torch
# outcome: raises
"""A saliency map hooks the convolution; the in-place ReLU behind it writes to what the hook wraps."""

import torch
from torch import nn


class Saliency:
    def __init__(self, layer):
        self.gradient = None
        layer.register_full_backward_hook(self.keep)

    def keep(self, module, grad_input, grad_output):
        self.gradient = grad_output[0]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 2, 3),
            nn.ReLU(inplace=True),  #~ label: the module was constructed here
        )
        self.head = nn.Linear(2, 2)

    def forward(self, image):
        features = self.features(image)  #~ error[GS206]: which a module's backward hook wraps
        return self.head(features.mean(dim=(2, 3)))


torch.manual_seed(0)
model = Classifier()
saliency = Saliency(model.features[0])
model(torch.randn(1, 1, 5, 5)).max().backward()
