"""A clone takes the write, so that the original keeps its value."""


def with_first(x, value):
    masked = x.clone()
    masked[0] = value
    return masked
