# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
gain = torch.ones(5, requires_grad=True)
spectrum = torch.fft.rfft(torch.randn(2, 8)) * gain
power = spectrum.clone().abs().square().mean()
spectrum[..., 0].imag = 0.0
signal = torch.fft.irfft(spectrum, n=8)
(power + signal.square().mean()).backward()
