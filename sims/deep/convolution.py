"""Convolution and pooling as what XLA runs fast on a CPU."""

from .backend import eqx, jax, jnp


class Convolution(eqx.nn.Conv2d):
    """A convolution as patches and one product of matrices.

    Inside a compiled loop on a CPU, XLA's own convolution takes several times as long.
    """

    def __init__(self, channels: int, width: int, side: int, *, stride: int = 1, padding: int = 0, key: jax.Array):
        super().__init__(channels, width, side, stride, padding, key=key)

    def __call__(self, x: jax.Array, *, key=None) -> jax.Array:
        """Shape (width, rows, columns) from (channels, rows, columns)."""
        x = jnp.pad(x, ((0, 0), *self.padding))  # type: ignore[arg-type]
        rows, columns = (
            [slice(at, at + length - side + 1, step) for at in range(side)]
            for length, side, step in zip(x.shape[1:], self.kernel_size, self.stride, strict=True)
        )
        patches = jnp.stack([x[:, row, column] for row in rows for column in columns], axis=1)
        kernel = self.weight.reshape(self.out_channels, -1)
        product = kernel @ patches.reshape(kernel.shape[1], -1)
        return product.reshape(self.out_channels, *patches.shape[2:]) + self.bias  # type: ignore[operator]


def halved(x: jax.Array) -> jax.Array:
    """The mean of each 2 x 2 pixels, shape (channels, height // 2, width // 2)."""
    channels, height, width = x.shape[0], x.shape[1] // 2, x.shape[2] // 2
    return x[:, : 2 * height, : 2 * width].reshape(channels, height, 2, width, 2).mean(axis=(2, 4))
