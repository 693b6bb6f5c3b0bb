"""Where in a model two readings of it part: operator by operator, each held against float64."""

from diglot.parity.trace.models import trace, trace_models
from diglot.parity.trace.steps import Layer, Step, Trace

__all__ = ["Layer", "Step", "Trace", "trace", "trace_models"]
