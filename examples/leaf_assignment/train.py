"""Assign to one element of a leaf, then differentiate."""

from initial import clamp_first, start_values


def main():
    x = start_values()
    loss = (clamp_first(x, 5.0) * 2).sum()
    loss.backward()
    print(f"gradient {x.grad.tolist()}")


if __name__ == "__main__":
    main()
