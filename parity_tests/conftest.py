"""The number of examples that Hypothesis draws, and the recordings that all parity tests share."""

import os

# A developer's shell may silence TensorFlow, which some tests are about.
os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
# Before anything imports huggingface_hub, which reads it once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from hypothesis import HealthCheck, settings
from tests.recordings import no_recordings as no_recordings
from tests.recordings import recordings as recordings
from tests.recordings import use_recordings as use_recordings

import diglot.lowering.record  # noqa: F401 - the cache of recordings wraps a function of it

# The first call of a model records it for seconds, so deadlines and the check for slow draws mean
# nothing here. By default every run has the same examples: a new failure comes from a change of the
# code. The long run draws new examples, as many as two cores judge in an hour or two.
settings.register_profile(
    "default",
    max_examples=25,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", settings.get_profile("default"), max_examples=100, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# The models are tiny, and the workers of pytest-xdist share the cores: more threads would only wait
# for each other.
torch.set_num_threads(1)
