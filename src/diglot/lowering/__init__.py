"""A captured PyTorch program, lowered to TensorFlow.

The way of a module: :func:`capture` records it as a graph of ATen operators with a dynamic batch
and length; :func:`lower` turns the graph into a :class:`Program`, a ``tf.Module`` that applies one
small TensorFlow function for each operator. This package is the only one that knows both
frameworks at once.
"""

from diglot.lowering.capture import capture
from diglot.lowering.limitations import DECLINED
from diglot.lowering.program import Program, lower
from diglot.lowering.registry import REGISTRY, lowering

__all__ = ["DECLINED", "REGISTRY", "Program", "capture", "lower", "lowering"]
