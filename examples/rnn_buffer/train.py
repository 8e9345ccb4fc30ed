"""Fit the buffered network to the sum of a sequence."""

import torch
from model import BufferedRNN


def make_batch(size):
    inputs = torch.randn(size, 4, 3)
    return inputs, inputs.sum(dim=(1, 2))


def compute_loss(model, batch):
    inputs, target = batch
    return torch.nn.functional.mse_loss(model(inputs).sum(dim=1), target)


def main():
    torch.manual_seed(0)
    model = BufferedRNN(features=3, hidden=5, steps=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(3):
        loss = compute_loss(model, make_batch(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
