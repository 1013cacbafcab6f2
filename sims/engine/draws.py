"""Random numbers by counter: draw k of step t of a run is a function of (seed, run, t, k) and of nothing else.

So a run's noise depends on no thread, chunk or neighbour. The mixing is SplitMix64's (Steele et al. 2014), the same
functions on numbers in kernels and on arrays.
"""

import hashlib
import math

import numpy as np
from numba.extending import register_jitable

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _ONE = (np.uint64(s) for s in (30, 27, 31, 11, 1))
_ULP = 2.0**-53


@register_jitable
def _mix(x):
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@register_jitable
def stream(key, step):
    """The state of a run's draws at a step."""
    return _mix(key + np.uint64(step) * _GOLDEN)


@register_jitable
def uniform(state, k):
    """Draw k of the stream, in [0, 1)."""
    return (_mix(state + (np.uint64(k) + _ONE) * _GOLDEN) >> _S11) * _ULP


@register_jitable
def normal(state, k):
    """A standard normal number of draws k and k + 1 (Box and Muller)."""
    return np.sqrt(-2 * np.log(1 - uniform(state, k))) * np.cos(2 * math.pi * uniform(state, k + 1))


def run_keys(seed: int, lr: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """64 bits that name each run by the seed, its learning rate and its start (run, weight, feature)."""
    keys = []
    for rate, start in zip(lr, theta, strict=True):
        text = np.array([seed], "<u8").tobytes() + np.array([rate, *start.ravel()], "<f8").tobytes()
        keys.append(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))
    return np.array(keys, dtype=np.uint64)
