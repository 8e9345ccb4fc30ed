"""Helpers for probabilities."""


def keep_away_from_zero(probabilities, epsilon=1e-6):
    """Clamp, for the logarithm that follows."""
    return probabilities.clamp_(epsilon, 1 - epsilon)  #~ error[GS101]: modified in place after
