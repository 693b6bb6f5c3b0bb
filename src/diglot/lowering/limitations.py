"""Operators that are knowingly not lowered, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch._ops import OpOverload

_aten = torch.ops.aten

DECLINED: Mapping[OpOverload, str] = MappingProxyType(
    {
        _aten.nonzero.default: "the size of its result depends on the data",
        _aten.masked_select.default: "the size of its result depends on the data",
        _aten._unique2.default: "the size of its result depends on the data",
        _aten.unique_consecutive.default: "the size of its result depends on the data",
        _aten._local_scalar_dense.default: "it turns data into a number that Python branches on",
        _aten.multinomial.default: "it draws random numbers, which no other framework repeats",
        _aten.randn.default: "it draws random numbers, which no other framework repeats",
        _aten.rand.default: "it draws random numbers, which no other framework repeats",
    }
)
