"""The layers of a network: where the weights of each lie among all."""

from typing import Any

import numpy as np

from .architecture import Network
from .backend import eqx, jax
from .data import Data
from .modules import build
from .training_loss import Objective


def layers_of(objective: Objective, theta: jax.Array) -> list[slice]:
    """The weights of each layer, with their biases, as parts of theta, from the input on."""
    ends = np.cumsum(_sizes(eqx.filter_eval_shape(objective.assemble, theta)))
    return [slice(int(begin), int(end)) for begin, end in zip([0, *ends], ends, strict=False)]


def count(net: Network, data: Data) -> int:
    """The number of layers of a network on such samples."""
    return len(_sizes(eqx.filter_eval_shape(build, net, data.X.shape[1:], data.classes)))


def _sizes(module: Any) -> list[int]:
    """The weights of every smallest part that has any: what one module holds itself, in the order of theta."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(module, _is_weight))
    sizes: dict[Any, int] = {}
    for path, leaf in leaves:
        sizes[path[:-1]] = sizes.get(path[:-1], 0) + int(np.prod(leaf.shape))
    return list(sizes.values())


def _is_weight(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and np.issubdtype(leaf.dtype, np.floating)
