"""Operators that are deliberately not lowered, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch._ops import OpOverload

_aten = torch.ops.aten

_SIZE = "the size of its result depends on the data"
_RANDOM = "it draws random numbers, which no other framework reproduces"

DECLINED: Mapping[OpOverload, str] = MappingProxyType(
    {
        _aten.nonzero.default: _SIZE,
        _aten.masked_select.default: _SIZE,
        _aten._unique2.default: _SIZE,
        _aten.unique_consecutive.default: _SIZE,
        _aten._local_scalar_dense.default: "it turns data into a number that Python branches on",
        _aten.multinomial.default: _RANDOM,
        _aten.randn.default: _RANDOM,
        _aten.rand.default: _RANDOM,
    }
)
