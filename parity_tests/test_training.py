"""Training: gradients, dropout, and Keras' fit."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from diglot import TFAutoModelForSequenceClassification
from diglot.parity import difference

from .architectures import ARCHITECTURES, torch_model

IDS = np.array([[1, 7, 9, 33, 2], [1, 8, 2, 0, 0]])
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
TARGETS = np.array([2, 0])
NO_DROPOUT: dict[str, Any] = dict.fromkeys(
    (
        *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"),
        *("dropout", "attention_dropout", "seq_classif_dropout", "resid_pdrop", "embd_pdrop"),
        *("attn_pdrop", "embedding_dropout", "mlp_dropout", "classifier_dropout"),
        *("pooler_dropout", "cls_dropout"),
    ),
    0.0,
)


def torch_gradients(model: Any) -> dict[str, Any]:
    outputs = model.train()(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK))
    torch.nn.functional.cross_entropy(outputs.logits, torch.from_numpy(TARGETS)).backward()
    return {
        name: parameter.grad.numpy()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_agree(architecture: str) -> None:
    expected = torch_gradients(torch_model(architecture, **NO_DROPOUT))
    reference = torch_gradients(torch_model(architecture, **NO_DROPOUT).double())
    model = TFAutoModelForSequenceClassification(torch_model(architecture, **NO_DROPOUT))
    with tf.GradientTape() as tape:
        logits = model(IDS, attention_mask=MASK, training=True).logits
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=TARGETS, logits=logits)
        )
    named = {variable.name: variable.value for variable in model.trainable_variables}
    gradients = tape.gradient(loss, named)
    assert set(expected) <= set(named)
    # A gradient sums over all later operators; its rounding is relative to the largest gradient.
    scale = max(np.abs(gradient).max() for gradient in reference.values())
    for name, gradient in expected.items():
        actual = tf.convert_to_tensor(gradients[name]).numpy()
        assert not difference(name, actual, gradient, reference[name], scale=scale)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "gpt2"])
def test_dropout_is_applied_in_training_only(architecture: str) -> None:
    model = TFAutoModelForSequenceClassification(torch_model(architecture))
    evaluated = model(IDS, attention_mask=MASK).logits
    again = model(IDS, attention_mask=MASK, training=False).logits
    np.testing.assert_array_equal(evaluated, again)
    first = model(IDS, attention_mask=MASK, training=True).logits
    second = model(IDS, attention_mask=MASK, training=True).logits
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(first - evaluated).max() > 1e-3


def test_keras_can_fit_and_predict() -> None:
    keras.utils.set_random_seed(0)
    model = TFAutoModelForSequenceClassification(torch_model("bert"))
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    encoding = {"input_ids": IDS, "attention_mask": MASK}
    history = model.fit(encoding, TARGETS, epochs=15, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["accuracy"][-1] == 1
    predicted = model.predict(encoding, verbose=0)
    np.testing.assert_allclose(predicted["logits"], model(**encoding).logits, atol=1e-6)
    assert (predicted["logits"].argmax(-1) == TARGETS).all()
