"""The findings of the doctor, on healthy and damaged versions."""

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from diglot.endpoints import layout
from diglot.errors import ExportError
from diglot.serving.doctor import Examination, Finding, examine
from diglot.serving.exports import Export
from diglot.serving.targets import saved_model_graph, warmup


def finding(examination: Examination, what: str) -> Finding:
    (match,) = [finding for finding in examination.findings if finding.what == what]
    return match


def test_a_healthy_version(exported: Export) -> None:
    found = examine(exported.path.parent, serving="2.21")
    assert found.healthy
    assert [one for one in found.findings if one.level in ("warning", "error")] == []
    assert found.path == exported.path
    assert set(found.signatures) == set(exported.signatures)
    assert found.signatures["serving_default"].startswith("text string[?] → ")
    assert "label string[?]" in found.signatures["serving_default"]
    assert "MatMul" in found.operators["tensorflow"]
    assert set(found.operators) == {"tensorflow"}
    assert finding(found, "side effects").level == "ok"


def test_an_older_server_may_lack_what_is_newer(exported: Export) -> None:
    found = finding(examine(exported.path, serving="2.11"), "release")
    assert found.level == "warning"
    assert "TF Serving 2.11 is older" in found.says
    with pytest.raises(ExportError, match="no release of TF Serving"):
        examine(exported.path, serving="latest")


def test_a_changed_file_is_reported(exported_copy: Path) -> None:
    labels = exported_copy / layout.LABELS
    labels.write_text("POSITIVE\nNEGATIVE\n")
    (exported_copy / "other.txt").touch()
    (exported_copy / layout.BATCHING).unlink()
    found = examine(exported_copy)
    assert not found.healthy
    says = finding(found, "provenance").says
    assert "changed: assets.extra/labels.txt" in says
    assert "gone: batching_params.pbtxt" in says
    assert "new: other.txt" in says
    assert "is missing" in finding(found, layout.BATCHING).says


@pytest.mark.parametrize("parity", [{"differences": []}, {"differences": None}, [], 1])
def test_a_forged_record_is_reported(parity: object, exported_copy: Path) -> None:
    record = exported_copy / layout.PROVENANCE
    record.write_text(json.dumps(json.loads(record.read_text()) | {"parity": parity}))
    found = finding(examine(exported_copy), "provenance")
    assert found.level == "warning"
    assert "is not a record of diglot: 'parity'" in found.says


def test_a_version_that_was_not_proven(exported_copy: Path) -> None:
    record = exported_copy / layout.PROVENANCE
    facts = json.loads(record.read_text())
    del facts["parity"]
    record.write_text(json.dumps(facts))
    assert finding(examine(exported_copy), "parity").level == "error"
    record.unlink()
    assert "diglot did not write it" in finding(examine(exported_copy), "provenance").says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_batch_size { value: 8 }\nallowed_batch_sizes: 4\n", "must rise to max_batch_size, 8"),
        (
            "max_batch_size { value: 8 }\nallowed_batch_sizes: 8\nallowed_batch_sizes: 4\n",
            r"\[8, 4\]",
        ),
        ("allowed_batch_sizes: 4\n", "must rise to max_batch_size, 1000"),
        ("max_batch_size < value: 8 > allowed_batch_sizes: [2, 4]", r"\[2, 4\]"),
        ("# max_batch_size { value: 4 }\nallowed_batch_sizes: 4\n", "max_batch_size, 1000"),
    ],
)
def test_batch_sizes_that_a_server_refuses(exported_copy: Path, text: str, says: str) -> None:
    (exported_copy / layout.BATCHING).write_text(text)
    found = finding(examine(exported_copy), layout.BATCHING)
    assert found.level == "error"
    assert re.search(says, found.says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_batch_size: { value : 8 }\nallowed_batch_sizes: [2, 8]\n", r"of \[2, 8\] up to 8"),
        ("max_batch_size { value: 8 }  # { value: 4 }\n", "any size up to 8"),
        ("num_batch_threads { value: 2 }\n", "any size up to 1000"),
    ],
)
def test_batch_sizes_as_others_write_them(exported_copy: Path, text: str, says: str) -> None:
    (exported_copy / layout.BATCHING).write_text(text)
    found = finding(examine(exported_copy), layout.BATCHING)
    assert found.level == "ok"
    assert re.search(says, found.says)


def test_warmups_as_others_write_them(exported_copy: Path) -> None:
    unnamed = warmup.request("tiny", "", {})
    several = prediction_log_pb2.PredictionLog()
    several.multi_inference_log.request.tasks.add().model_spec.signature_name = "classify"
    warmup.write(exported_copy / layout.WARMUP, [unnamed, several])
    found = finding(examine(exported_copy), "warmup")
    assert (found.level, found.says) == ("ok", "2 requests to serving_default")


def test_a_damaged_warmup(exported_copy: Path) -> None:
    path = exported_copy / layout.WARMUP
    path.write_bytes(path.read_bytes()[:-3])
    assert "cannot be read" in finding(examine(exported_copy), "warmup").says
    log = warmup.request("tiny", "other", {"text": ["a"]})  # type: ignore[dict-item]
    warmup.write(path, [log])
    assert (
        "asks for other, which the model does not have"
        in finding(examine(exported_copy), "warmup").says
    )
    warmup.write(path, [warmup.request("tiny", "encoded", {})] * 1_001)
    assert "a server takes 1000" in finding(examine(exported_copy), "warmup").says
    path.unlink()
    assert finding(examine(exported_copy), "warmup").level == "note"


def test_the_classify_method(exported_copy: Path) -> None:
    path = exported_copy / layout.PROGRAM
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs[0].signature_def["classify"].method_name = "tensorflow/serving/predict"
    path.write_bytes(saved.SerializeToString())
    assert "which Classify refuses" in finding(examine(exported_copy), "classify").says


class Counting(tf.Module):
    """Something no server should run: it counts its requests, calls Python, and is compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int32, "x")], jit_compile=True)
    def compiled(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One more, by XLA."""
        return {"y": x + 1}

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int32, "x")])
    def counting(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The number of requests so far, and the rest."""
        python = tf.numpy_function(lambda y: y, [x], tf.int32)
        return {"y": self.count.assign_add(1) + python + self.compiled(x)["y"]}


class Choosing(tf.Module):
    """Counts in one branch of many, which an operator has as a list."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "x")])
    def choosing(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One of three."""
        branches = [lambda: 0, lambda: self.count.assign_sub(1) + 0, lambda: 2]
        return {"y": tf.switch_case(x[0], branches)}


def test_state_in_one_branch_of_many(tmp_path: Path) -> None:
    module = Choosing()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.choosing})
    assert "AssignSubVariableOp change" in finding(examine(tmp_path), "state").says


def test_hazards(tmp_path: Path) -> None:
    module = Counting()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"encoded": module.counting})
    found = examine(tmp_path)
    assert "AssignAddVariableOp" in finding(found, "state").says
    assert "PyFunc" in finding(found, "foreign code").says
    assert "--xla_cpu_compilation_enabled" in finding(found, "XLA").says
    assert "takes a fixed number of rows" in finding(found, "encoded").says
    assert not found.healthy


class Reaching(tf.Module):
    """A model that reaches outside the graph in one of several ways."""

    def __init__(self, way: str, file: Path) -> None:
        super().__init__()
        self._way = way
        self._file = str(file)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "x")])
    def reaching(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same texts."""
        if self._way == "WriteFile":
            tf.io.write_file(self._file, x[0])
        elif self._way == "ReadFile":
            return {"y": tf.io.read_file(x[0])[None]}
        elif self._way == "MatchingFiles":
            return {"y": tf.io.matching_files(x)}
        elif self._way == "PrintV2":
            tf.print(x)
        elif self._way == "SaveV2":
            tf.raw_ops.SaveV2(
                prefix=self._file, tensor_names=["x"], shape_and_slices=[""], tensors=[x]
            )
        return {"y": tf.identity(x)}


@pytest.mark.parametrize("way", ["WriteFile", "ReadFile", "MatchingFiles", "PrintV2", "SaveV2"])
def test_a_model_that_reaches_files_is_reported(way: str, tmp_path: Path) -> None:
    module = Reaching(way, tmp_path / "file")
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"encoded": module.reaching})
    found = examine(tmp_path)
    assert finding(found, "side effects").level == "error"
    assert f"{way} may read or write files" in finding(found, "side effects").says
    assert not found.healthy


class Foreign(tf.Module):
    """What another program might have written."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def sparse(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same numbers."""
        return {"y": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
    def scalar(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same number."""
        return {"y": tf.identity(x)}


def test_what_diglot_did_not_write(tmp_path: Path) -> None:
    """Without a record, warmup and batching; of a version unknown; with an output in parts."""
    module = Foreign()
    signatures = {"sparse": module.sparse, "scalar": module.scalar}
    tf.saved_model.save(module, str(tmp_path / "0000012"), signatures=signatures)
    path = tmp_path / "0000012" / layout.PROGRAM
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph = saved.meta_graphs[0]
    graph.meta_info_def.tensorflow_version = ""
    output = graph.signature_def["sparse"].outputs["y"]
    name = output.name
    output.Clear()
    output.coo_sparse.values_tensor_name = name
    graph.signature_def["sparse"].outputs["z"].composite_tensor.components.add(name=name)
    saved.meta_graphs.add().CopyFrom(graph)
    saved.meta_graphs[1].meta_info_def.tags.append("tpu")
    path.write_bytes(saved.SerializeToString())
    found = examine(tmp_path)
    assert found.healthy
    assert found.path == tmp_path / "0000012"
    assert found.signatures["sparse"] == "x float32[...] → y composite[], z composite[]"
    assert "is not recorded" in finding(found, "release").says
    assert "no 'serving_default'" in finding(found, "signatures").says
    assert "takes a fixed number of rows" in finding(found, "scalar").says
    assert "sparse" not in {one.what for one in found.findings}
    assert finding(found, "state").level == "ok"
    levels = {one.what: one.level for one in found.findings}
    assert [levels[one] for one in (layout.BATCHING, "warmup", "provenance")] == [
        *("note", "note", "warning")
    ]


@pytest.mark.parametrize("part", ["", "values_tensor_name", "components"])
def test_state_is_seen_behind_every_kind_of_output(part: str, tmp_path: Path) -> None:
    """In the branch of a condition, and in a graph of old, too."""
    graph = tf.Graph()
    with graph.as_default():
        y = tf.raw_ops.Assign(ref=tf.raw_ops.VariableV2(shape=[], dtype=tf.int32), value=1)
        tf.identity(y, "y")
    saved = saved_model_pb2.SavedModel()
    meta = saved.meta_graphs.add()
    meta.graph_def.CopyFrom(graph.as_graph_def())
    meta.meta_info_def.tags.append("serve")
    output = meta.signature_def["serving_default"].outputs["y"]
    if part == "components":
        output.composite_tensor.components.add(name="y:0")
    elif part:
        setattr(output.coo_sparse, part, "y:0")
    else:
        output.name = "y:0"
    (tmp_path / layout.PROGRAM).write_bytes(saved.SerializeToString())
    assert "Assign change" in finding(examine(tmp_path), "state").says


@pytest.mark.parametrize(
    ("operator", "keeps"),
    [
        *(("Assign", True), ("AssignSub", True), ("AssignSubVariableOp", True)),
        *(("ResourceStridedSliceAssign", True), ("ScatterNdUpdate", True), ("ScatterNd", False)),
        *(("ResourceApplyAdam", True), ("ApplyAdam", True), ("LookupTableImportV2", False)),
        *(
            ("LookupTableFindV2", False),
            ("AnonymousMutableHashTable", True),
            ("HashTableV2", False),
        ),
        *(("QueueEnqueueV2", True), ("ReadVariableOp", False), ("VarHandleOp", False)),
        *(("StackPushV2", True), ("IteratorGetNext", True), ("StatelessWhile", False)),
    ],
)
def test_which_operators_keep_something(operator: str, keeps: bool) -> None:
    assert (saved_model_graph.MUTABLE.fullmatch(operator) is not None) == keeps


def test_what_is_no_saved_model(tmp_path: Path) -> None:
    (tmp_path / layout.PROGRAM).write_bytes(b"\xff\xff")
    with pytest.raises(ExportError, match="is no SavedModel with one graph tagged 'serve'"):
        examine(tmp_path)


def test_an_operator_that_nobody_has(exported_copy: Path) -> None:
    path = exported_copy / layout.PROGRAM
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs[0].graph_def.node.add(name="odd", op="NobodyHasThis")
    path.write_bytes(saved.SerializeToString())
    assert "TensorFlow has no NobodyHasThis" in (finding(examine(exported_copy), "operators").says)
