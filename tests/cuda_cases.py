"""The models that the GPU's kernel is tried on, on a GPU and compiled for this processor."""

from gdbias import theory

MODELS = [
    theory.power(2), theory.power(3), theory.difference(2), theory.product(3),
    theory.custom("i*n - w**2", start={"i": 0.1, "n": 0.2, "w": 0.3}),
]  # fmt: skip
