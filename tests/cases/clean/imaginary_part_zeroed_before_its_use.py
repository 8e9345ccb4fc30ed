# framework: torch
# outcome: correct
import torch

signal = torch.arange(8.0, dtype=torch.float64)


def loss(gain):
    spectrum = torch.fft.rfft(signal) * gain
    spectrum.imag[0] = 0.0
    spectrum[-1:].imag = torch.zeros(1, dtype=torch.float64)
    return torch.fft.irfft(spectrum, n=8).square().sum() + spectrum.abs().sum()


CHECKED = (loss, (torch.linspace(0.5, 1.5, 5, dtype=torch.float64).requires_grad_(),))
