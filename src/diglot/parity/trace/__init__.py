"""Where in a model two readings of it part: operator by operator, each held against float64."""

from diglot.parity.trace.steps import Layer, Step, Trace
from diglot.parity.trace.tracing import trace, trace_models

__all__ = ["Layer", "Step", "Trace", "trace", "trace_models"]
