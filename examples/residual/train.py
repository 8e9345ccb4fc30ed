"""Fit a residual network to the mean of a signal."""

import torch
from model import Encoder


def make_batch(size):
    signal = torch.randn(size, 2, 16)
    return signal, signal.mean(dim=(1, 2))


def compute_loss(model, batch):
    signal, target = batch
    return torch.nn.functional.mse_loss(model(signal), target)


def main():
    torch.manual_seed(0)
    model = Encoder(channels=2, width=8, depth=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        loss = compute_loss(model, make_batch(32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
