"""JAX and Equinox, or one clear message where they are absent. Only modules that compute import this one."""

# pyright: reportMissingImports=false

from ...theory.errors import MissingExtra

try:
    import equinox as eqx
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise MissingExtra(f"deep networks need JAX and Equinox ({error}): pip install 'gdbias[deep]'") from None

__all__ = ["eqx", "jax", "jnp"]
