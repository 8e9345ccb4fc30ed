"""Write into a clone: correct, and the gradient says so."""

import torch
from mask import with_first


def main():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    loss = (with_first(x, 5.0) + y).sum()
    loss.backward()
    print(f"gradient {x.grad.tolist()}")


if __name__ == "__main__":
    main()
