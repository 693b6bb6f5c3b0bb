"""The text classifier: the three steps, whatever the backend."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any, Self, TypeVar

from diglot import backends, batching, checkpoints, heads, settings
from diglot.backends.one_at_a_time import OneAtATime
from diglot.batched_model import BatchedModel
from diglot.endpoints import layout
from diglot.endpoints import model as exported
from diglot.errors import InputError
from diglot.explanation import Explanation
from diglot.heads.top_k import UNSET, TopK, checked_top_k
from diglot.inputs import Text, items, read, read_all, streams
from diglot.preprocessing import CheckpointEncoder
from diglot.types import Outputs

if TYPE_CHECKING:
    from diglot.backends import Backend, Model
    from diglot.checkpoints import Checkpoint
    from diglot.heads import Task
    from diglot.preprocessing import Encoder
    from diglot.types import Array, Precision, ScoreFunction

# Texts of like length share a batch within a window of this many batches; a stream is read one
# window ahead.
_WINDOW = 8

T = TypeVar("T")
Result = TypeVar("Result")


class TextClassifier:
    """A head, an encoder and a model: texts in, labels out.

    A call gives the same result as transformers' ``pipeline("text-classification")``. Each step is
    a method too: :meth:`encode`, :meth:`logits`, :meth:`hidden_states`, :meth:`probabilities`;
    :meth:`explain` shows all of them at once.

    Any number of threads may share a classifier. A model that is not thread-safe
    (:attr:`diglot.backends.Model.thread_safe`) runs for one thread at a time.

    Attributes:
        encoder: turns texts into the model's inputs.
    """

    def __init__(
        self,
        task: Task,
        encoder: Encoder,
        model: Model,
        *,
        batch_size: int = 32,
        top_k: TopK = UNSET,
        function_to_apply: str | None = None,
        **tokenizer_options: Any,
    ) -> None:
        """Put a head, an encoder and a model together.

        :meth:`from_pretrained` is the usual way to make a classifier.

        Args:
            task: the head, with its labels and its score function.
            encoder: turns texts into the model's inputs.
            model: the model.
            batch_size: the most texts in one batch.
            top_k: the default for calls.
            function_to_apply: the default for calls.
            **tokenizer_options: the defaults for calls.

        Raises:
            InputError: an option is not known, or has a wrong value.
        """
        self.encoder = encoder
        self._task = task
        self._model = model if model.thread_safe else OneAtATime(model)
        self._batched = BatchedModel(task, encoder, self._model)
        self._batch_size = _checked_size(batch_size)
        self._top_k = checked_top_k(top_k)
        self._function = self._named(function_to_apply) or task.function
        self.encoder.options(tokenizer_options)
        self._tokenizer_options = tokenizer_options

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, backend: Backend, **options: Any) -> Self:
        """Put a checkpoint and its model in a backend together.

        Args:
            checkpoint: the head, the labels, the tokenizer and the limits.
            backend: the same checkpoint's model.
            **options: as in the constructor.

        Raises:
            InputError: as the constructor.
            MissingLabelsError: the checkpoint does not name its labels.
        """
        return cls(checkpoint.task, CheckpointEncoder(checkpoint), backend, **options)

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | os.PathLike[str] | None = None,
        backend: str | None = None,
        *,
        revision: str | None = None,
        precision: Precision | None = None,
        device: str | None = None,
        batch_size: int | None = None,
        labels: Sequence[str] | None = None,
        fresh_head: bool = False,
        trust_remote_code: bool = False,
        **defaults: Any,
    ) -> Self:
        """Find a checkpoint and load it in a framework.

        Values that are not given come from the environment, then from ``diglot.toml`` or
        ``pyproject.toml``, then from an automatic choice; see :mod:`diglot.settings`.

        Args:
            checkpoint: a directory or a hub id; the default is the one that diglot ships. The
                folder of an export is run by TensorFlow alone, whatever backend is configured. A
                folder that has a ``config.json`` too is a checkpoint.
            backend: ``"torch"``, ``"tensorflow"`` or another registered name; ``"saved_model"``
                runs the export in a folder, whatever else is there.
            revision: a branch, tag or commit of a hub id.
            precision: the dtype of the parameters; ``"float32"`` unless configured.
            device: ``"cpu"``, ``"cuda"`` or ``"cuda:N"``; the fastest there is unless configured.
            batch_size: the most texts in one batch; 32 unless configured.
            labels: the names of the labels; they replace the checkpoint's own.
            fresh_head: whether a missing head may get random weights.
            trust_remote_code: whether to run Python code that the checkpoint contains.
            **defaults: ``top_k``, ``function_to_apply`` and tokenizer options for every call.

        Raises:
            SettingsError: a configured value is not allowed.
            BackendError: the backend is unknown, not installed, or lacks the device.
            CheckpointError: the checkpoint cannot be found, read or used.
            InputError: one of the defaults is not known, or has a wrong value.
        """
        chosen = settings.load(
            checkpoint=checkpoint,
            backend=backend,
            precision=precision,
            device=device,
            batch_size=batch_size,
        )
        return cls.from_settings(
            chosen,
            revision=revision,
            labels=labels,
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
            **defaults,
        )

    @classmethod
    def from_settings(
        cls,
        chosen: settings.Settings,
        *,
        revision: str | None = None,
        labels: Sequence[str] | None = None,
        fresh_head: bool = False,
        trust_remote_code: bool = False,
        **defaults: Any,
    ) -> Self:
        """Load what settings name, which the caller has read already.

        Args:
            chosen: from :func:`diglot.settings.load`; all its values are used.
            revision: as in :meth:`from_pretrained`.
            labels: as in :meth:`from_pretrained`.
            fresh_head: as in :meth:`from_pretrained`.
            trust_remote_code: as in :meth:`from_pretrained`.
            **defaults: as in :meth:`from_pretrained`.

        Raises:
            DiglotError: as :meth:`from_pretrained`, except SettingsError.
        """
        folder = chosen.checkpoint
        if folder is not None and layout.opens_as_export(folder, chosen.backend):
            arguments = [key for key, source in chosen.sources.items() if source == "argument"]
            fixed = {
                "backend": "backend" in arguments and chosen.backend != backends.SAVED_MODEL,
                "revision": revision is not None,
                "precision": "precision" in arguments,
                "device": "device" in arguments,
                "labels": labels is not None,
            }
            if any(fixed.values()):
                names = ", ".join(name for name, passed in fixed.items() if passed)
                raise InputError(
                    f"{folder} is an export, which was fixed when it was written; leave out {names}"
                )
            return cls(*exported.open_export(folder), batch_size=chosen.batch_size, **defaults)
        if chosen.backend == backends.SAVED_MODEL:
            raise InputError(
                f"the backend {chosen.backend!r} runs an export; give the folder that diglot export"
                " wrote"
            )
        kind = backends.require(chosen.chosen_backend())
        source = checkpoints.find(
            chosen.checkpoint,
            revision=revision,
            labels=labels,
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
        )
        model = kind.load(source, precision=chosen.precision, device=chosen.device)
        return cls.from_checkpoint(source, model, batch_size=chosen.batch_size, **defaults)

    @property
    def name(self) -> str:
        """The name of the checkpoint, or of whatever else answers."""
        return self.encoder.name

    @property
    def task(self) -> Task:
        """The head, with its labels and its score function."""
        return self._task

    @property
    def backend(self) -> str:
        """The backend's name, such as ``"torch"``."""
        return self._model.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels, in the order of the logits."""
        return self._task.labels

    def __repr__(self) -> str:
        return f"TextClassifier({self.name!r}, backend={self.backend!r})"

    def __call__(
        self,
        inputs: Any,
        *,
        top_k: TopK = UNSET,
        function_to_apply: str | None = None,
        text_pair: str | None = None,
        batch_size: int | None = None,
        on_error: Callable[[int, InputError], Any] | None = None,
        **tokenizer_options: Any,
    ) -> Any:
        """Classify, with the results of transformers' ``TextClassificationPipeline``.

        Each text may be a ``str``, a mapping ``{"text": ..., "text_pair": ...}`` whose other keys
        are ignored, or the old form of a pair, ``[[text, text_pair]]``.

        Args:
            inputs: one text; a list of texts; or a stream of them, which is any other iterable or a
                dataset with ``__len__`` and ``__getitem__``.
            top_k: how many labels to give for each text, the best first; ``None`` for all.
            function_to_apply: ``"softmax"``, ``"sigmoid"`` or ``"none"``; the default is
                transformers' rule (:meth:`diglot.heads.Head.score_function`).
            text_pair: the second text, for all inputs that have none.
            batch_size: the most texts in one batch.
            on_error: a function of an input's index and of the error that says why it cannot be
                classified; its return value takes the place of the result. Without it, the first
                error is raised. Errors that are no :class:`~diglot.errors.InputError`, such as a
                bug in the model, are raised in either case.
            **tokenizer_options: those of transformers' tokenizers, such as ``max_length``. Unlike
                transformers' pipeline, ``truncation`` is on by default, and cuts to the model's
                limit.

        Returns:
            For each text a dictionary with ``label`` and ``score``, or a list of them where
            ``top_k`` is given. A list of texts gives a list of these; a stream gives a lazy
            iterator, which reads at most eight batches ahead, and nothing ahead at a batch size of
            one. A single ``str`` without ``top_k`` in the call gives a list of one.

        Raises:
            InputError: an input is not text, has no tokens, or is too long with truncation off; or
                an option is not known. A stream raises it when it reaches the bad window.
            BackendError: the model could not be run.
        """
        chosen = self._top_k if top_k is UNSET else checked_top_k(top_k)
        function = self._named(function_to_apply) or self._function
        size = self._batch_size if batch_size is None else _checked_size(batch_size)
        options = self._options(tokenizer_options)

        def selected(scores: Mapping[str, Array]) -> Any:
            return self._task.head.select(scores, self.labels, chosen)

        def classify(texts: Sequence[Text], start: int | None) -> list[Any]:
            outputs = self._batched.run(texts, options, size, start=start, function=function)
            scores = outputs.scores
            rows = zip(*scores.values(), strict=True)
            return [selected(dict(zip(scores, row, strict=True))) for row in rows]

        def classify_window(window: Sequence[Text | InputError], start: int) -> list[Any]:
            if on_error is None:
                return classify([text for text in window if isinstance(text, Text)], start)
            outcomes = self._batched.outcomes(window, options, size, function=function)
            return [
                on_error(index, outcome) if isinstance(outcome, InputError) else selected(outcome)
                for index, outcome in enumerate(outcomes, start)
            ]

        def classify_all(texts: Iterable[Text | InputError]) -> Iterator[Any]:
            start = 0
            for window in batching.windows(texts, 1 if size == 1 else size * _WINDOW):
                yield from classify_window(window, start)
                start += len(window)

        def read_one(index: int, raw: Any) -> Text | InputError:
            if on_error is None:
                return read(raw, index, text_pair)
            try:
                return read(raw, None, text_pair)
            except InputError as error:
                return error

        if isinstance(inputs, list):
            # Read all first, to report a bad input before any time is spent on the others.
            return list(classify_all(list(starmap(read_one, enumerate(inputs)))))
        if streams(inputs):
            return classify_all(starmap(read_one, enumerate(items(inputs))))
        (result,) = classify([read(inputs, None, text_pair)], None)
        return [result] if isinstance(inputs, str) and top_k is UNSET else result

    def encode(
        self,
        texts: str | Sequence[str],
        text_pairs: str | Sequence[str] | None = None,
        **tokenizer_options: Any,
    ) -> Mapping[str, Any]:
        """The first step: texts to one batch of NumPy arrays, each ``[batch, tokens]``.

        Args:
            texts: one text or several.
            text_pairs: the second texts of pairs, one for each.
            **tokenizer_options: as in a call; padding and truncation are on by default.

        Raises:
            InputError: as in a call; or the texts differ in length and the model has no padding.
        """
        return self.encoder.encode(read_all(texts, text_pairs), self._options(tokenizer_options))

    def logits(
        self,
        texts: str | Sequence[str] | Mapping[str, Any],
        text_pairs: str | Sequence[str] | None = None,
        **tokenizer_options: Any,
    ) -> Array:
        """The second step: texts, or the encoding of :meth:`encode`, to ``[batch, labels]``.

        Args:
            texts: one text, several, or an encoding, which runs as one batch.
            text_pairs: the second texts of pairs, one for each.
            **tokenizer_options: as in a call; not with an encoding.

        Raises:
            InputError: as in a call; or an encoding does not fit the model.
            BackendError: the model could not be run.
        """
        return self._outputs(texts, text_pairs, tokenizer_options).raw["logits"]

    def outputs(
        self,
        texts: str | Sequence[str] | Mapping[str, Any],
        text_pairs: str | Sequence[str] | None = None,
        *,
        function_to_apply: str | None = None,
        **tokenizer_options: Any,
    ) -> Outputs:
        """The second and third step: the model's outputs and their scores, without hidden states.

        Texts are divided into batches as in a call. :meth:`logits` and :meth:`probabilities` return
        one part of the result.

        Args:
            texts: as in :meth:`logits`.
            text_pairs: as in :meth:`logits`.
            function_to_apply: as in a call.
            **tokenizer_options: as in :meth:`logits`.

        Raises:
            InputError: as in :meth:`logits`.
            BackendError: the model could not be run.
        """
        function = self._named(function_to_apply) or self._function
        return self._outputs(texts, text_pairs, tokenizer_options, function)

    def hidden_states(
        self,
        texts: str | Sequence[str] | Mapping[str, Any],
        text_pairs: str | Sequence[str] | None = None,
        **tokenizer_options: Any,
    ) -> tuple[Array, ...]:
        """The hidden states of every layer for texts, or for an encoding, as one batch.

        Args:
            texts: as in :meth:`logits`.
            text_pairs: as in :meth:`logits`.
            **tokenizer_options: as in :meth:`logits`.

        Returns:
            One array per layer, the embeddings first, each ``[batch, tokens, width]``.

        Raises:
            InputError: as in :meth:`logits`.
            BackendError: the model could not be run.
        """
        if isinstance(texts, Mapping):
            _refuse_options(text_pairs, tokenizer_options)
            encoding: Mapping[str, Any] = texts
        else:
            encoding = self.encode(texts, text_pairs, **tokenizer_options)
        if not self._model.shows_hidden_states:
            raise InputError(
                f"{self.name} is an export, which keeps no hidden states; load its checkpoint with"
                " backend='torch' or backend='tensorflow' to see them"
            )
        return self._model.run(self.encoder.arrays(encoding), hidden_states=True).hidden_states

    def probabilities(
        self,
        texts: str | Sequence[str] | Mapping[str, Any],
        text_pairs: str | Sequence[str] | None = None,
        *,
        function_to_apply: str | None = None,
        **tokenizer_options: Any,
    ) -> Array:
        """The third step: texts, or an encoding, to scores ``[batch, labels]``.

        Args:
            texts: as in :meth:`logits`.
            text_pairs: as in :meth:`logits`.
            function_to_apply: as in a call.
            **tokenizer_options: as in :meth:`logits`.

        Raises:
            InputError: as in :meth:`logits`.
            BackendError: the model could not be run.
        """
        function = self._named(function_to_apply) or self._function
        return self._outputs(texts, text_pairs, tokenizer_options, function).scores["logits"]

    def explain(
        self,
        texts: str | Sequence[str],
        text_pairs: str | Sequence[str] | None = None,
        **tokenizer_options: Any,
    ) -> Explanation:
        """All steps at once, for texts that run as one batch.

        Args:
            texts: one text or several.
            text_pairs: the second texts of pairs, one for each.
            **tokenizer_options: as in a call.

        Raises:
            InputError: as in :meth:`encode`.
            BackendError: the model could not be run.
        """
        inputs = read_all(texts, text_pairs)
        encoding = self.encoder.encode(inputs, self._options(tokenizer_options))
        arrays = self.encoder.arrays(encoding)
        outputs = self._model.run(arrays, function=self._function, hidden_states=True)
        return Explanation(
            checkpoint=self.name,
            backend=self.backend,
            labels=self.labels,
            function=self._function,
            texts=tuple(text.text for text in inputs),
            text_pairs=() if text_pairs is None else tuple(text.pair or "" for text in inputs),
            tokens=self.encoder.tokens(arrays["input_ids"]),
            encoding=arrays,
            hidden_states=outputs.hidden_states,
            logits=outputs.raw["logits"],
            probabilities=outputs.scores["logits"],
        )

    def close(self) -> None:
        """Release what the backend holds, such as a session or connections."""
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _named(self, function: str | None) -> ScoreFunction | None:
        return None if function is None else heads.function_named(function)

    def _options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return self.encoder.options({**self._tokenizer_options, **options})

    def _outputs(
        self,
        texts: str | Sequence[str] | Mapping[str, Any],
        text_pairs: str | Sequence[str] | None,
        tokenizer_options: Mapping[str, Any],
        function: ScoreFunction | None = None,
    ) -> Outputs:
        """Run texts in batches, or an encoding as the one batch that it is."""
        if isinstance(texts, Mapping):
            _refuse_options(text_pairs, tokenizer_options)
            return self._model.run(self.encoder.arrays(texts), function=function)
        read = read_all(texts, text_pairs)
        options = self._options(tokenizer_options)
        return self._batched.run(read, options, self._batch_size, start=0, function=function)


def _refuse_options(
    text_pairs: str | Sequence[str] | None, tokenizer_options: Mapping[str, Any]
) -> None:
    """Refuse what cannot be applied to an encoding.

    Raises:
        InputError: there are second texts or tokenizer options.
    """
    if text_pairs is not None or tokenizer_options:
        names = ["text_pairs"] * (text_pairs is not None) + sorted(tokenizer_options)
        raise InputError(
            f"{', '.join(names)} cannot be applied to an encoding; pass texts, or pass the"
            " options to encode()"
        )


def pipeline(
    task: str,
    model: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    **options: Any,
) -> TextClassifier:
    """A text classifier, under transformers' name for it.

    Args:
        task: ``"sentiment-analysis"`` or ``"text-classification"``; they mean the same.
        model: a directory or a hub id; the default is the checkpoint that diglot ships.
        backend: ``"torch"``, ``"tensorflow"`` or another registered name.
        **options: those of :meth:`TextClassifier.from_pretrained`. ``device`` may be a number as in
            transformers: ``-1`` for the CPU, ``N`` for that GPU.

    Raises:
        InputError: diglot does not do that task, or an option is not known.
        DiglotError: as :meth:`TextClassifier.from_pretrained`.
    """
    heads.find(task)
    device = options.get("device")
    if isinstance(device, int):
        options["device"] = "cpu" if device < 0 else f"cuda:{device}"
    return TextClassifier.from_pretrained(model, backend, **options)


def _checked_size(size: Any) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise InputError(f"batch_size must be a whole number above 0, not {size!r}")
    return size
