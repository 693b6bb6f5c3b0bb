"""How many examples Hypothesis draws, and what every parity test shares."""

import os

# Before anything imports huggingface_hub, which reads it once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from hypothesis import HealthCheck, settings

# A model's first call records it, which takes seconds: neither deadlines nor the check for slow
# draws can mean anything here. By default the examples are the same in every run, so that whoever
# changes something is told of that, and not of another's bad luck; the long run draws new ones, as
# many as two cores can judge in an hour or two.
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

# The models are tiny, and pytest-xdist's workers share the cores: more threads would only wait for
# one another.
torch.set_num_threads(1)
