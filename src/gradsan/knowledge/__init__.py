"""What an operation saves, writes and aliases: one table per framework version, and its loader."""

from gradsan.knowledge.condition import UNKNOWN, TensorFacts
from gradsan.knowledge.operation import Case, Effect, Operation, Parameter
from gradsan.knowledge.table import Table, agreement, load

__all__ = ["UNKNOWN", "Case", "Effect", "Operation", "Parameter", "Table", "TensorFacts", "agreement", "load"]
