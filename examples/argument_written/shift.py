"""A function that writes into its argument: the caller's tensor is mutated too."""


def shift(tensor):
    tensor += 1
    return tensor
