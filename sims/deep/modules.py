"""Equinox modules of the networks, and the parameterizations as gains on their layers."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ...theory.errors import InputError
from .architecture import Network
from .backend import eqx, jax, jnp
from .convolution import Convolution, halved

HEADS = 4
ACTIVATIONS: dict[str, Callable] = {"relu": jax.nn.relu, "tanh": jnp.tanh, "gelu": jax.nn.gelu}


class Gained(eqx.Module):
    """A layer whose weight and bias are multiplied in the forward pass: the parameterization."""

    layer: Any  # eqx.nn.Linear or Convolution
    weight_gain: float = eqx.field(static=True)
    bias_gain: float = eqx.field(static=True)

    def __call__(self, x: jax.Array, *, key=None) -> jax.Array:
        layer = eqx.tree_at(
            lambda m: (m.weight, m.bias), self.layer,
            (self.weight_gain * self.layer.weight, self.bias_gain * self.layer.bias),
        )  # fmt: skip
        return layer(x)


def build(net: Network, shape: tuple[int, ...], classes: int) -> eqx.Module:
    """The network for samples of one shape, at its initial weights; ``vmap`` it over samples.

    Raises:
        InputError: a network of images given samples that are no images, or too small for it.
    """
    if net.kind != "fcn" and (len(shape) != 3 or min(shape[1:]) < 8):
        raise InputError(f"{net.kind} needs images of at least 8 x 8, got samples of shape {shape}: use fcn")
    makers = {"fcn": _fcn, "cnn": _cnn, "resnet": _resnet, "vit": _vit}
    keys = iter(jax.random.split(jax.random.key(net.seed), 8 * net.depth + 8))
    module = makers[net.kind](net, shape, classes, keys)
    return jax.tree.map(lambda leaf: net.init_scale * leaf if eqx.is_inexact_array(leaf) else leaf, module)


def _gained(net: Network, layer, role: str):
    """The layer in the network's parameterization; ``role`` is input, hidden or output."""
    if net.parameterization == "standard":
        return layer
    if net.parameterization == "kernel":
        fan_in = float(np.prod(layer.weight.shape[1:]))
        weight_gain, bias_gain, start = 1 / sqrt(fan_in), 1.0, sqrt(fan_in)
        bias_start = 1.0
    else:
        ratio = sqrt(net.width / net.base_width)
        weight_gain = {"input": ratio, "hidden": 1.0, "output": 1 / ratio}[role]
        start = {"input": 1 / ratio, "hidden": 1.0, "output": 1.0}[role]
        bias_gain = 1.0 if role == "output" else ratio
        bias_start = 1.0 if role == "output" else 1 / ratio
    layer = eqx.tree_at(lambda m: (m.weight, m.bias), layer, (start * layer.weight, bias_start * layer.bias))
    return Gained(layer, weight_gain, bias_gain)


def _fcn(net: Network, shape, classes: int, keys) -> eqx.Module:
    act, sizes = ACTIVATIONS[net.activation], [int(np.prod(shape))] + [net.width] * net.depth
    layers: list = [eqx.nn.Lambda(jnp.ravel)]
    for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        linear = eqx.nn.Linear(fan_in, fan_out, key=next(keys))
        layers += [_gained(net, linear, "hidden" if i else "input"), eqx.nn.Lambda(act)]
    return eqx.nn.Sequential([*layers, _head(net, net.width, classes, keys)])


def _head(net: Network, features: int, classes: int, keys):
    return _gained(net, eqx.nn.Linear(features, classes, key=next(keys)), "output")


def _convolution(net: Network, channels: int, keys, role: str = "hidden"):
    layer = Convolution(channels, net.width, 3, padding=1, key=next(keys))
    return _gained(net, layer, role)


def _cnn(net: Network, shape, classes: int, keys) -> eqx.Module:
    """``depth`` times convolution, activation and 2 x 2 average pooling; then one linear layer."""
    act, (channels, *size) = ACTIVATIONS[net.activation], shape
    layers: list = []
    for i in range(net.depth):
        layers += [_convolution(net, channels, keys, "hidden" if i else "input"), eqx.nn.Lambda(act)]
        if min(size) >= 4:
            layers.append(eqx.nn.Lambda(halved))
            size = [s // 2 for s in size]
        channels = net.width
    head = _head(net, net.width * size[0] * size[1], classes, keys)
    return eqx.nn.Sequential([*layers, eqx.nn.Lambda(jnp.ravel), head])


class Residual(eqx.Module):
    """``x + branch(x) / sqrt(blocks)``: the factor keeps the output's size as blocks are added."""

    branch: Callable
    factor: float = eqx.field(static=True)

    def __call__(self, x: jax.Array, *, key=None) -> jax.Array:
        return x + self.factor * self.branch(x)


def _resnet(net: Network, shape, classes: int, keys) -> eqx.Module:
    """A convolution, ``depth`` residual blocks of two convolutions, pooling around the first; a head."""
    act = eqx.nn.Lambda(ACTIVATIONS[net.activation])
    layers: list = [_convolution(net, shape[0], keys, "input"), act, eqx.nn.Lambda(halved)]
    for i in range(net.depth):
        branch = eqx.nn.Sequential([_convolution(net, net.width, keys), act, _convolution(net, net.width, keys)])
        layers += [Residual(branch, 1 / sqrt(net.depth)), act]
        if i == 0:
            layers.append(eqx.nn.Lambda(halved))
    head = _head(net, net.width * (shape[1] // 4) * (shape[2] // 4), classes, keys)
    return eqx.nn.Sequential([*layers, eqx.nn.Lambda(jnp.ravel), head])


class Transformer(eqx.Module):
    """Patches as tokens, blocks of attention and a two-layer network before which tokens are normalised, a head."""

    embed: Callable
    position: jax.Array
    blocks: list
    norm: Callable
    head: Callable

    def __call__(self, image: jax.Array, *, key=None) -> jax.Array:
        patches = self.embed(image)
        x = patches.reshape(patches.shape[0], -1).T + self.position  # (token, width)
        for norm1, attention, norm2, mixer in self.blocks:
            y = jax.vmap(norm1)(x)
            x = x + attention(y, y, y)
            x = x + jax.vmap(mixer)(jax.vmap(norm2)(x))
        return self.head(jax.vmap(self.norm)(x).ravel())


def _vit(net: Network, shape, classes: int, keys) -> eqx.Module:
    patch, d = min(shape[1:]) // net.patches, net.width
    if not patch:
        raise InputError(f"patches = {net.patches} is above the {min(shape[1:])} pixels of a side: use 4")
    embed = Convolution(shape[0], d, patch, stride=patch, key=next(keys))
    tokens = (shape[1] // patch) * (shape[2] // patch)
    act = eqx.nn.Lambda(ACTIVATIONS[net.activation])
    blocks = []
    for _ in range(net.depth):
        attention = eqx.nn.MultiheadAttention(HEADS, d, key=next(keys))
        up, down = eqx.nn.Linear(d, 2 * d, key=next(keys)), eqx.nn.Linear(2 * d, d, key=next(keys))
        blocks.append((eqx.nn.LayerNorm(d), attention, eqx.nn.LayerNorm(d), eqx.nn.Sequential([up, act, down])))
    position = 0.02 * jax.random.normal(next(keys), (tokens, d))
    return Transformer(embed, position, blocks, eqx.nn.LayerNorm(d), _head(net, tokens * d, classes, keys))
