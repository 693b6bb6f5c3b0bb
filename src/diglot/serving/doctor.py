"""What is in an exported version, and whether a server will be happy with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from diglot.endpoints import layout, provenance
from diglot.errors import ExportError
from diglot.extras import require

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

Level = Literal["ok", "note", "warning", "error"]

_DEFAULT = "serving_default"
SERVING = "2.20"
"""The release of TF Serving that is asked about unless another is named."""

# Operators that keep something between two requests. Variables that are only read, and tables that
# are filled once, are no harm.
_MUTABLE = re.compile(
    r"(Assign(Add|Sub)?(VariableOp)?|(Resource)?(StridedSliceAssign|CountUpTo)|(Resource)?Apply\w+|"
    r"ResourceScatter\w+|Scatter(Add|Sub|Mul|Div|Min|Max|Update|Nd(Add|Sub|Update))|"
    r"LookupTable(Insert|Remove)\w*|(Anonymous)?Mutable\w*Table\w*|Queue\w+|"
    r"Stack(Push|Pop)\w*|Barrier\w*|\w*Iterator\w*)"
)
# Operators that leave TensorFlow, or the graph.
_FOREIGN = re.compile(r"(PyFunc\w*|EagerPyFunc|XlaCallModule|XlaCustomCall\w*|CustomCall\w*)")
_MOST_WARMUPS = 1_000
# What a server takes unless told. Source: ``SharedBatchScheduler::QueueOptions``.
_BATCH_SIZE = 1_000
_NUMBERS = re.compile(r"(\d+)\.(\d+)")
_COMPILED = re.compile(r"(XlaLaunch\w*|_Xla\w+)")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: ``"error"`` where a server will refuse or fail, ``"warning"`` where it may.
        what: the thing.
        says: what was found, and what to do.
    """

    level: Level
    what: str
    says: str


@dataclass(frozen=True)
class Examination:
    """Everything that was found in a version.

    Attributes:
        path: its folder.
        signatures: what each takes and gives, in one line.
        operators: the operators by the library that has them.
        findings: one for each thing that was looked at.
    """

    path: Path
    signatures: dict[str, str]
    operators: dict[str, tuple[str, ...]]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is an error."""
        return all(one.level != "error" for one in self.findings)


def examine(path: str | Path, serving: str = SERVING) -> Examination:
    """Look at a version without running it.

    Args:
        path: the version's folder, or that of all versions, of which the newest is taken.
        serving: the release of TF Serving that it is meant for.

    Raises:
        ExportError: there is no SavedModel, or it cannot be read.
        BackendNotInstalledError: TensorFlow or the extra ``serving`` is missing.
    """
    require("tensorflow,serving", "tensorflow", "tensorflow_serving")
    folder = layout.version(path)
    meta = _meta_graph(folder)
    operators = _operators(meta, _named(folder))
    findings = [
        *_signatures(meta),
        *_libraries(meta, operators, serving),
        *_hazards(meta, operators),
        *_batching(folder),
        *_warmup(folder, meta),
        *_provenance(folder),
    ]
    shown = {
        name: f"{_tensors(one.inputs)} → {_tensors(one.outputs)}"
        for name, one in sorted(meta.signature_def.items())
        if not name.startswith("__")
    }
    return Examination(folder, shown, operators, tuple(findings))


def _meta_graph(folder: Path) -> MetaGraphDef:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        raw = (folder / layout.PROGRAM).read_bytes()
        (graph,) = [
            one
            for one in saved_model_pb2.SavedModel.FromString(raw).meta_graphs
            if list(one.meta_info_def.tags) == ["serve"]  # a loader takes no other
        ]
    except (OSError, DecodeError, ValueError) as error:
        raise ExportError(
            f"{folder / layout.PROGRAM} is no SavedModel with one graph tagged 'serve' alone:"
            f" {error}; export the checkpoint again"
        ) from error
    return graph


def _named(folder: Path) -> tuple[str, ...]:
    try:
        return provenance.operators(folder)
    except ExportError:
        return ()


def _nodes(meta: MetaGraphDef) -> Iterator[Any]:
    yield from meta.graph_def.node
    for function in meta.graph_def.library.function:
        yield from function.node_def


def _operators(meta: MetaGraphDef, text: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The operators by library: TensorFlow's own, tensorflow-text's, and those of neither."""
    from tensorflow.python.framework import op_def_registry

    functions = {one.signature.name for one in meta.graph_def.library.function}
    found: dict[str, list[str]] = {"tensorflow": [], "tensorflow-text": [], "unknown": []}
    for one in sorted({node.op for node in _nodes(meta)} - functions):
        known = op_def_registry.get(one) is not None
        found["tensorflow-text" if one in text else "tensorflow" if known else "unknown"].append(
            one
        )
    return {name: tuple(some) for name, some in found.items() if some}


def _libraries(
    meta: MetaGraphDef, operators: dict[str, tuple[str, ...]], serving: str
) -> Iterator[Finding]:
    if unknown := operators.get("unknown"):
        yield Finding(
            "error",
            "operators",
            f"TensorFlow has no {', '.join(unknown)}, and no record says that tensorflow-text has;"
            " a stock server can run them only if it does",
        )
    if text := operators.get("tensorflow-text"):
        yield Finding(
            "note",
            "operators",
            f"{', '.join(text)} come from tensorflow-text, which stock TF Serving links; another"
            " server must load its library",
        )
    written = meta.meta_info_def.tensorflow_version
    release = _release(serving)
    if not _NUMBERS.match(written):
        yield Finding("note", "release", "it does not say which TensorFlow wrote it")
    elif release < _release(written):
        yield Finding(
            "warning",
            "release",
            f"written by TensorFlow {written}, and TF Serving {serving} has an older one: it lacks"
            " operators and attributes that are newer. Replay the warmup there before you rely on"
            f" it, or serve with {'.'.join(written.split('.')[:2])} or later",
        )
    else:
        yield Finding("ok", "release", f"written by TensorFlow {written}, served by {serving}")


def _release(version: str) -> tuple[int, ...]:
    numbers = _NUMBERS.match(version)
    if numbers is None:
        raise ExportError(f"{version!r} is no release of TF Serving; write it as 2.20")
    return tuple(int(one) for one in numbers.groups())


def _hazards(meta: MetaGraphDef, operators: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    used = [one for some in operators.values() for one in some]
    if foreign := [one for one in used if _FOREIGN.fullmatch(one)]:
        yield Finding("error", "foreign code", f"{', '.join(foreign)} call code outside the graph")
    compiled = [one for one in used if _COMPILED.fullmatch(one)]
    marked = any(
        "_XlaMustCompile" in one.attr and one.attr["_XlaMustCompile"].b
        for one in (*_nodes(meta), *meta.graph_def.library.function)
    )
    if compiled or marked:
        yield Finding(
            "warning",
            "XLA",
            "the program is compiled by XLA, for which a CPU server needs"
            " --xla_cpu_compilation_enabled; each new shape is compiled when it is first asked for",
        )
    serving = _reachable(meta)
    if mutable := sorted({node.op for node in serving if _MUTABLE.fullmatch(node.op)}):
        yield Finding(
            "error", "state", f"{', '.join(mutable)} change what the next request will find"
        )
    else:
        yield Finding("ok", "state", "no request changes what another one finds")


def _reachable(meta: MetaGraphDef) -> list[Any]:
    """The nodes behind the outputs of the signatures, in functions too; not those that restore."""
    graph = {node.name: node for node in meta.graph_def.node}
    functions = {one.signature.name: one.node_def for one in meta.graph_def.library.function}
    names = {
        one.partition(":")[0]
        for key, signature in meta.signature_def.items()
        if not key.startswith("__")
        for tensor in signature.outputs.values()
        for one in _parts(tensor)
    }
    todo = [graph[name] for name in names & set(graph)]
    seen: set[str] = set()
    called: set[str] = set()
    found = []
    while todo:
        node = todo.pop()
        found.append(node)
        for one in node.input:
            name = one.lstrip("^").partition(":")[0]
            if name in graph and name not in seen:
                seen.add(name)
                todo.append(graph[name])
        names = {one.func.name for one in node.attr.values() if one.HasField("func")}
        names |= {func.name for one in node.attr.values() for func in one.list.func}
        for name in (names & set(functions)) - called:
            called.add(name)
            todo.extend(functions[name])
    return found


def _parts(info: Any) -> list[str]:
    """The names of the tensors that an output is made of; a sparse or ragged one has several."""
    if info.HasField("coo_sparse"):
        sparse = info.coo_sparse
        return [
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        ]
    if info.HasField("composite_tensor"):
        return [name for one in info.composite_tensor.components for name in _parts(one)]
    return [info.name]


def _signatures(meta: MetaGraphDef) -> Iterator[Finding]:
    names = {name for name in meta.signature_def if not name.startswith("__")}
    if _DEFAULT not in names:
        says = "there is no 'serving_default', which is asked unless another one is named"
        if "encoded" in names:
            says = "there is none for text: the tokenizer could not be compiled"
        yield Finding("note", "signatures", says)
    if "classify" in names:
        method = meta.signature_def["classify"].method_name
        right = method == "tensorflow/serving/classify"
        says = (
            "answers the Classify API"
            if right
            else f"has the method {method}, which Classify refuses"
        )
        yield Finding("ok" if right else "error", "classify", says)
    for name in sorted(names):
        shapes = [one.tensor_shape for one in meta.signature_def[name].inputs.values()]
        fixed = [not shape.dim or shape.dim[0].size >= 0 for shape in shapes]
        if any(one and not shape.unknown_rank for one, shape in zip(fixed, shapes, strict=True)):
            yield Finding(
                "warning", name, "takes a fixed number of rows, so a server cannot batch it"
            )


def _batching(folder: Path) -> Iterator[Finding]:
    path = folder / layout.BATCHING
    if not path.is_file():
        yield Finding("note", layout.BATCHING, "is not there; a server will not batch requests")
        return
    # Protocol buffers as text: comments, a list of many or each number by itself, and two brackets.
    text = re.sub(r"#.*", "", path.read_text("utf-8", errors="replace"))
    given = re.search(r"\bmax_batch_size\s*:?\s*[{<]\s*value\s*:\s*(\d+)", text)
    most = int(given[1]) if given else _BATCH_SIZE
    lists = re.findall(r"\ballowed_batch_sizes\s*:\s*(\d+|\[[^]]*\])", text)
    allowed = [int(one) for one in re.findall(r"\d+", " ".join(lists))]
    if allowed != sorted(set(allowed)) or (allowed and allowed[-1] != most):
        yield Finding(
            "error",
            layout.BATCHING,
            f"allowed_batch_sizes are {allowed}, and must rise to max_batch_size, {most}; a"
            " server refuses the model otherwise",
        )
    else:
        yield Finding("ok", layout.BATCHING, f"batches of {allowed or 'any size'} up to {most}")


def _warmup(folder: Path, meta: MetaGraphDef) -> Iterator[Finding]:
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    path = folder / layout.WARMUP
    if not path.is_file():
        yield Finding("note", "warmup", "there is none; the first requests will be slow")
        return
    asked: dict[str, int] = {}
    try:
        for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(raw)
            kind = log.WhichOneof("log_type")
            # A request for several signatures, or by the names of tensors, has no such name.
            spec = getattr(getattr(log, kind or "", None), "request", None)
            named = kind in ("classify_log", "regress_log", "predict_log")
            name = (spec.model_spec.signature_name or _DEFAULT) if named and spec else ""
            asked[name] = asked.get(name, 0) + 1
    except (tf.errors.DataLossError, DecodeError) as error:
        yield Finding(
            "error", "warmup", f"{path} cannot be read, and a server will not start: {error}"
        )
        return
    count = sum(asked.values())
    if strangers := sorted(set(asked) - set(meta.signature_def) - {""}):
        yield Finding("error", "warmup", f"asks for {', '.join(strangers)}, which is no signature")
    elif count > _MOST_WARMUPS:
        yield Finding(
            "error", "warmup", f"has {count} requests, and a server takes {_MOST_WARMUPS}"
        )
    else:
        to = ", ".join(filter(None, sorted(asked))) or "no signature by name"
        yield Finding("ok", "warmup", f"{count} requests to {to}")


def _provenance(folder: Path) -> Iterator[Finding]:
    try:
        facts = provenance.read(folder)
    except ExportError as error:
        yield Finding("warning", "provenance", str(error))
        return
    now, then = provenance.hashes(folder), facts["files"]
    changed = sorted(name for name in then if name in now and now[name] != then[name])
    wrong = {
        "changed": changed,
        "gone": sorted(set(then) - set(now)),
        "new": sorted(set(now) - set(then)),
    }
    if any(wrong.values()):
        said = "; ".join(f"{what}: {', '.join(names)}" for what, names in wrong.items() if names)
        yield Finding("error", "provenance", f"the files are not those that were proven ({said})")
    else:
        yield Finding("ok", "provenance", f"all {len(then)} files are those that were proven")
    if (facts.get("parity") or {}).get("differences", True):
        yield Finding("error", "parity", "it was not seen to answer like its checkpoint")
    else:
        parity = facts["parity"]
        yield Finding(
            "ok",
            "parity",
            f"answered {parity['texts']} texts like {facts['checkpoint']['name']}; largest error of"
            f" a logit {parity['worst_error']:.2g}",
        )


def _tensors(infos: Any) -> str:
    import tensorflow as tf

    def one(name: str) -> str:
        info = infos[name]
        sizes = ["?" if dim.size < 0 else str(dim.size) for dim in info.tensor_shape.dim]
        shape = "..." if info.tensor_shape.unknown_rank else ", ".join(sizes)
        dtype = tf.dtypes.as_dtype(info.dtype).name if info.dtype else "composite"
        return f"{name} {dtype}[{shape}]"

    return ", ".join(map(one, sorted(infos)))
