"""Removal of the assertions that ``torch.export`` leaves in a graph."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram

_aten = torch.ops.aten

ASSERTIONS = frozenset(
    {
        _aten._assert_async.msg,
        _aten._assert_scalar.default,
        _aten._assert_tensor_metadata.default,
        _aten.sym_constrain_range_for_size.default,
    }
)
"""Operators without a result: they check what ``torch.export`` assumed while recording."""


class DropAssertions:
    """Removes assertions, and the operators that only compute their arguments.

    A lowered program checks dtypes and sizes itself. The same pass of ``torch.onnx`` is
    ``remove_assertion_nodes``.
    """

    name = "drop_assertions"
    required = True

    def __call__(self, program: ExportedProgram) -> ExportedProgram:
        """Remove them."""
        graph = program.graph_module.graph
        for node in list(graph.nodes):
            if node.op == "call_function" and node.target in ASSERTIONS:
                graph.erase_node(node)
        graph.eliminate_dead_code()
        program.graph_module.recompile()
        return program
