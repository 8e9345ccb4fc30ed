# framework: torch
# outcome: raises
"""A discriminator is called on real and on fake samples; the second call advances the power iteration."""

import torch
from parts_spectral import SpectralLinear

torch.manual_seed(0)
discriminator = SpectralLinear(4, 2)
real, fake = torch.randn(3, 4), torch.randn(3, 4)
loss = discriminator(fake).mean() - discriminator(real).mean()
loss.backward()  #~ label: backward needed the saved value
