"""The three steps of a classification as values: to print, to store, to compare."""

from diglot.explanation.drawing import WIDTH, Line, Printable
from diglot.explanation.values import Comparison, Difference, Explanation, compare

__all__ = ["WIDTH", "Comparison", "Difference", "Explanation", "Line", "Printable", "compare"]
