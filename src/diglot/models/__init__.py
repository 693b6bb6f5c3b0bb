"""Hugging Face's TensorFlow classes: Keras models around a lowered PyTorch model."""

from diglot.models.auto import TFAutoModel, TFAutoModelForSequenceClassification
from diglot.models.output import ModelOutput

__all__ = ["ModelOutput", "TFAutoModel", "TFAutoModelForSequenceClassification"]
