"""Helpers for probabilities."""


def keep_away_from_zero(probabilities, epsilon=1e-6):
    """Clamp, for the logarithm that follows."""
    return probabilities.clamp(epsilon, 1 - epsilon)
