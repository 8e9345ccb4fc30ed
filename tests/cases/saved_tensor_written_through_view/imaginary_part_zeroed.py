# framework: torch
# outcome: raises
#~ missed-by: recorded (no wrapper sees the setter of `imag`: the graph tells of the write, but not of the view)
import torch

torch.manual_seed(0)
gain = torch.ones(5, requires_grad=True)
spectrum = torch.fft.rfft(torch.randn(2, 8)) * gain
power = spectrum.abs().square().mean()
spectrum[..., 0].imag = 0.0  #~ error[GS106]: `spectrum[..., 0].imag`
signal = torch.fft.irfft(spectrum, n=8)
(power + signal.square().mean()).backward()
