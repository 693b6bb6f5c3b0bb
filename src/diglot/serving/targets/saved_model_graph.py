"""The graph of a SavedModel, read without running it: signatures, operators and hazards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot.endpoints import layout
from diglot.errors import ExportError
from diglot.serving.targets.target import Contents, Finding

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

# Operators that keep something between two requests. Variables that are only read, and tables that
# are filled once, do no harm.
MUTABLE = re.compile(
    r"(Assign(Add|Sub)?(VariableOp)?|(Resource)?(StridedSliceAssign|CountUpTo)|(Resource)?Apply\w+|"
    r"ResourceScatter\w+|Scatter(Add|Sub|Mul|Div|Min|Max|Update|Nd(Add|Sub|Update))|"
    r"LookupTable(Insert|Remove)\w*|(Anonymous)?Mutable\w*Table\w*|Queue\w+|"
    r"Stack(Push|Pop)\w*|Barrier\w*|\w*Iterator\w*)"
)
# Operators that leave TensorFlow, or the graph.
_FOREIGN = re.compile(r"(PyFunc\w*|EagerPyFunc|XlaCallModule|XlaCustomCall\w*|CustomCall\w*)")
# Operators with side effects that an answer may need: they read weights and tables, call functions,
# or end a request that is wrong. TensorFlow marks them as stateful; all other stateful operators
# may reach files, devices or the network.
_HARMLESS = re.compile(
    r"(VarHandleOp|ReadVariableOp|VariableV2|VarIsInitializedOp|ResourceGather(Nd)?|HashTable(V2)?|"
    r"LookupTable(Find|Size|Export|Import)(V2)?|InitializeTable(V2)?|If|While|Case|"
    r"StatefulPartitionedCall|SymbolicGradient|Assert|TensorArray\w*|TensorList\w*|Placeholder\w*|"
    r"Empty|NoOp|RandomUniform(Int)?|RandomStandardNormal|XlaLaunch\w*|_Xla\w+)"
)
# Operators that read files, though TensorFlow marks them as stateless.
_FILES = re.compile(r"(ReadFile|MatchingFiles|Restore\w*|WholeFileReader\w*|\w*Dataset\w*)")
_NUMBERS = re.compile(r"(\d+)\.(\d+)")
_COMPILED = re.compile(r"(XlaLaunch\w*|_Xla\w+)")


def read(folder: Path) -> MetaGraphDef:
    """The graph that a server loads.

    Raises:
        ExportError: there is no SavedModel with one graph tagged ``serve`` alone.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        raw = (folder / layout.PROGRAM).read_bytes()
        (graph,) = [
            graph
            for graph in saved_model_pb2.SavedModel.FromString(raw).meta_graphs
            if list(graph.meta_info_def.tags) == ["serve"]  # a loader takes no other
        ]
    except (OSError, DecodeError, ValueError) as error:
        raise ExportError(
            f"{folder / layout.PROGRAM} is no SavedModel with one graph tagged 'serve' alone:"
            f" {error}; export the checkpoint again"
        ) from error
    return graph


def contents(graph: MetaGraphDef) -> Contents:
    """The signatures of a graph, and its operators: TensorFlow's own, and the unknown ones."""
    from tensorflow.python.framework import op_def_registry

    signatures = {
        name: f"{_tensors(definition.inputs)} → {_tensors(definition.outputs)}"
        for name, definition in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }
    operators: dict[str, list[str]] = {"tensorflow": [], "unknown": []}
    for operator in _operators(graph):
        known = op_def_registry.get(operator) is not None
        operators["tensorflow" if known else "unknown"].append(operator)
    return Contents(
        signatures, {library: tuple(names) for library, names in operators.items() if names}
    )


def examine(graph: MetaGraphDef, serving: str) -> Iterator[Finding]:
    """Check a graph.

    Args:
        graph: the graph.
        serving: the release of TF Serving that is to load it.

    Raises:
        ExportError: ``serving`` is no release.
    """
    yield from _signatures(graph)
    yield from _libraries(graph)
    yield _release_finding(graph, serving)
    yield from _hazards(graph)


def _nodes(graph: MetaGraphDef) -> Iterator[Any]:
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _operators(graph: MetaGraphDef) -> list[str]:
    functions = {function.signature.name for function in graph.graph_def.library.function}
    return sorted({node.op for node in _nodes(graph)} - functions)


def _signatures(graph: MetaGraphDef) -> Iterator[Finding]:
    names = {name for name in graph.signature_def if not name.startswith("__")}
    if "serving_default" not in names:
        says = "there is no 'serving_default', which answers a request that names no signature"
        if "encoded" in names:
            says = "there is no signature for text: the tokenizer could not be compiled"
        yield Finding("note", "signatures", says)
    if "classify" in names:
        method = graph.signature_def["classify"].method_name
        right = method == "tensorflow/serving/classify"
        says = (
            "answers the Classify API"
            if right
            else f"has the method {method}, which Classify refuses; export the checkpoint again"
        )
        yield Finding("ok" if right else "error", "classify", says)
    for name in sorted(names):
        shapes = [tensor.tensor_shape for tensor in graph.signature_def[name].inputs.values()]
        if any(
            not shape.unknown_rank and (not shape.dim or shape.dim[0].size >= 0) for shape in shapes
        ):
            yield Finding(
                "warning", name, "takes a fixed number of rows, so a server cannot batch requests"
            )


def _libraries(graph: MetaGraphDef) -> Iterator[Finding]:
    if unknown := contents(graph).operators.get("unknown"):
        yield Finding(
            "error",
            "operators",
            f"TensorFlow has no {', '.join(unknown)}; a server can run the version only with the"
            " library that implements them",
        )


def _release_finding(graph: MetaGraphDef, serving: str) -> Finding:
    written = graph.meta_info_def.tensorflow_version
    release = _release(serving)
    if not _NUMBERS.match(written):
        return Finding("note", "release", "the version of TensorFlow that wrote it is not recorded")
    if release < _release(written):
        return Finding(
            "warning",
            "release",
            f"written by TensorFlow {written}, and TF Serving {serving} is older: it may lack"
            " operators and attributes. Replay the warmup there before you rely on it, or serve"
            f" with {'.'.join(written.split('.')[:2])} or later",
        )
    return Finding("ok", "release", f"written by TensorFlow {written}, served by {serving}")


def _release(version: str) -> tuple[int, ...]:
    numbers = _NUMBERS.match(version)
    if numbers is None:
        raise ExportError(f"{version!r} is no release of TF Serving; write it as 2.20")
    return tuple(int(number) for number in numbers.groups())


def _hazards(graph: MetaGraphDef) -> Iterator[Finding]:
    operators = _operators(graph)
    if foreign := [operator for operator in operators if _FOREIGN.fullmatch(operator)]:
        yield Finding("error", "foreign code", f"{', '.join(foreign)} call code outside the graph")
    marked = any(
        "_XlaMustCompile" in node.attr and node.attr["_XlaMustCompile"].b
        for node in (*_nodes(graph), *graph.graph_def.library.function)
    )
    if marked or any(_COMPILED.fullmatch(operator) for operator in operators):
        yield Finding(
            "warning",
            "XLA",
            "XLA compiles the program: a CPU server needs --xla_cpu_compilation_enabled, and"
            " compiles each new shape at its first request",
        )
    reachable = sorted({node.op for node in _reachable(graph)})
    if mutable := [operator for operator in reachable if MUTABLE.fullmatch(operator)]:
        yield Finding(
            "error", "state", f"{', '.join(mutable)} change the answers to later requests"
        )
    else:
        yield Finding("ok", "state", "no request changes the answer to a later one")
    if outside := [operator for operator in reachable if _reaches_outside(operator)]:
        yield Finding(
            "error",
            "side effects",
            f"{', '.join(outside)} may read or write files, print, or use the network; diglot"
            " writes no such operators. Do not load this version",
        )
    else:
        yield Finding("ok", "side effects", "no request can reach files or the network")


def _reaches_outside(operator: str) -> bool:
    """Whether an operator may have effects outside the graph; unknown operators have their own."""
    from tensorflow.python.framework import op_def_registry

    if _FILES.fullmatch(operator):
        return True
    definition = op_def_registry.get(operator)
    stateful = definition is not None and definition.is_stateful
    known = any(
        pattern.fullmatch(operator) for pattern in (_HARMLESS, MUTABLE, _FOREIGN, _COMPILED)
    )
    return stateful and not known


def _reachable(graph: MetaGraphDef) -> list[Any]:
    """The nodes that a signature's outputs depend on, in functions too.

    The nodes that only restore the weights are not among them.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {
        function.signature.name: function.node_def for function in graph.graph_def.library.function
    }
    outputs = {
        name.partition(":")[0]
        for key, signature in graph.signature_def.items()
        if not key.startswith("__")
        for tensor in signature.outputs.values()
        for name in _parts(tensor)
    }
    seen = outputs & set(nodes)
    todo = [nodes[name] for name in seen]
    called: set[str] = set()
    reachable = []
    while todo:
        node = todo.pop()
        reachable.append(node)
        for source in node.input:
            name = source.lstrip("^").partition(":")[0]
            if name in nodes and name not in seen:
                seen.add(name)
                todo.append(nodes[name])
        names = {value.func.name for value in node.attr.values() if value.HasField("func")}
        names |= {func.name for value in node.attr.values() for func in value.list.func}
        names |= {node.op}  # a function may be called by its name
        for name in (names & set(functions)) - called:
            called.add(name)
            todo.extend(functions[name])
    return reachable


def _parts(info: Any) -> list[str]:
    """The names of the tensors that make up an output; a sparse or ragged output has several."""
    if info.HasField("coo_sparse"):
        sparse = info.coo_sparse
        return [
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        ]
    if info.HasField("composite_tensor"):
        return [name for part in info.composite_tensor.components for name in _parts(part)]
    return [info.name]


def _tensors(infos: Any) -> str:
    import tensorflow as tf

    def shown(name: str) -> str:
        info = infos[name]
        sizes = ["?" if dim.size < 0 else str(dim.size) for dim in info.tensor_shape.dim]
        shape = "..." if info.tensor_shape.unknown_rank else ", ".join(sizes)
        dtype = tf.dtypes.as_dtype(info.dtype).name if info.dtype else "composite"
        return f"{name} {dtype}[{shape}]"

    return ", ".join(map(shown, sorted(infos)))
