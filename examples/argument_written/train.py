"""Call a function that writes into its argument."""

import torch
from shift import shift


def main():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = shift(x).sum()
    loss.backward()
    print(f"gradient {x.grad.tolist()}")


if __name__ == "__main__":
    main()
