"""Convolution and pooling as what XLA runs fast on a CPU."""

from .backend import eqx, jax, jnp

WIDE = 32  # columns of an image; its rows are multiplied whole up to there


class Convolution(eqx.nn.Conv2d):
    """A convolution as one product of matrices: of whole rows with the band matrix that it is of a row, or of patches.

    Inside a compiled loop on a CPU, XLA's own convolution takes several times as long. Most entries of a band are 0,
    and yet narrow rows are multiplied faster than their patches, which are more and copied ``side^2`` times.
    """

    def __init__(self, channels: int, width: int, side: int, *, stride: int = 1, padding: int = 0, key: jax.Array):
        super().__init__(channels, width, side, stride, padding, key=key)

    def __call__(self, x: jax.Array, *, key=None) -> jax.Array:
        """Shape (width, rows, columns) from (channels, rows, columns)."""
        of_rows = self.stride == (1, 1) and x.shape[2] <= WIDE
        return (self._of_rows(x) if of_rows else self._of_patches(x)) + self.bias  # type: ignore[operator]

    def _of_rows(self, x: jax.Array) -> jax.Array:
        side, padding = self.kernel_size[0], int(self.padding[0][0])
        rows, columns = (length + 2 * padding - side + 1 for length in x.shape[1:])
        shifts = jnp.stack([jnp.eye(x.shape[2], columns, padding - at, dtype=x.dtype) for at in range(side)])
        band = jnp.einsum("wcij,jab->icawb", self.weight, shifts).reshape(-1, self.out_channels * columns)
        x = jnp.pad(x, ((0, 0), (padding, padding), (0, 0)))
        windows = jnp.stack([x[:, at : at + rows] for at in range(side)])  # (side, channels, rows, columns)
        product = windows.transpose(2, 0, 1, 3).reshape(rows, -1) @ band
        return product.reshape(rows, self.out_channels, columns).transpose(1, 0, 2)

    def _of_patches(self, x: jax.Array) -> jax.Array:
        x = jnp.pad(x, ((0, 0), *self.padding))  # type: ignore[arg-type]
        rows, columns = (
            [slice(at, at + length - side + 1, step) for at in range(side)]
            for length, side, step in zip(x.shape[1:], self.kernel_size, self.stride, strict=True)
        )
        patches = jnp.stack([x[:, row, column] for row in rows for column in columns], axis=1)
        kernel = self.weight.reshape(self.out_channels, -1)
        product = kernel @ patches.reshape(kernel.shape[1], -1)
        return product.reshape(self.out_channels, *patches.shape[2:])


def halved(x: jax.Array) -> jax.Array:
    """The mean of each 2 x 2 pixels, shape (channels, height // 2, width // 2)."""
    channels, height, width = x.shape[0], x.shape[1] // 2, x.shape[2] // 2
    return x[:, : 2 * height, : 2 * width].reshape(channels, height, 2, width, 2).mean(axis=(2, 4))
