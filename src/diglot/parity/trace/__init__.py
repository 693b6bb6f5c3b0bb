"""Finds the first operator at which two versions of a model diverge.

Every operator of the captured graph runs in both frameworks, or in two precisions, and in float64.
"""

from diglot.parity.trace.models import trace, trace_models
from diglot.parity.trace.steps import Layer, Step, Trace

__all__ = ["Layer", "Step", "Trace", "trace", "trace_models"]
