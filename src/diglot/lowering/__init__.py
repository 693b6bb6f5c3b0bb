"""A captured PyTorch program, lowered to TensorFlow.

:func:`capture` records a module as a graph of ATen operators with a dynamic batch and length.
:func:`lower` runs the passes on the graph and turns it into a :class:`Program`, a ``tf.Module``
that applies one small TensorFlow function per operator.
:class:`~diglot.lowering.model.LoweredModel` holds the programs of a transformers model.
"""

from diglot.lowering.capture import capture
from diglot.lowering.limitations import DECLINED
from diglot.lowering.program import Program, lower
from diglot.lowering.registry import REGISTRY, lowering

__all__ = ["DECLINED", "REGISTRY", "Program", "capture", "lower", "lowering"]
