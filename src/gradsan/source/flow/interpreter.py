"""All parts of the interpretation, so that the tables of the machine are full."""

from gradsan.source.flow import (  # noqa: F401
    calling,
    comprehending,
    displays,
    evaluating,
    external,
    layers,
    methods,
    objects,
    statements,
)
from gradsan.source.flow.machine import Frame, Machine, execute

__all__ = ["Frame", "Machine", "execute"]
