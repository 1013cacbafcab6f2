"""The sweeps of diagonal networks that claims share."""

from .protocols import DiagonalRuns

SEEDS = range(5)
SAMPLES = ((1.6, 1.2, 0.9, 0.7, 0.5), (1.3, 1.1, 0.6, 0.4, 0.3, 0.2), (1.0, 0.8, 0.5))
LONG = dict(max_steps=100_000, average=20, cool=True)
BIG = dict(max_steps=400_000)
MULTIPLES = (0.5, 0.7, 0.9, 0.95, 1.06, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5)
STEPS = (0.5, 0.7, 0.9, 0.95, 1.02, 1.06, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.3)


def _regression(name: str, seed: int, sparsity: int = 5, lr: tuple = MULTIPLES, **rest) -> DiagonalRuns:
    data = dict(kind="sparse_regression", n=20, d=40, sparsity=sparsity, seed=seed)
    return DiagonalRuns(f"{name}-{seed}", "difference(2)", data, lr, **rest)


ONE = tuple(
    DiagonalRuns(f"one-sample-{i}", "power(2)", dict(kind="single_point", x=x, y=1.5), STEPS, ends=True)
    for i, x in enumerate(SAMPLES)
)
SPARSE = tuple(_regression("sparse", seed, options=LONG, ends=True) for seed in SEEDS)
DENSE = tuple(_regression("dense", seed, 40, options=LONG, ends=True) for seed in SEEDS)
CLASSIFICATION = tuple(
    _regression("classification", seed, lr=(0.5, 0.9, 1.1, 1.3, 1.6, 2.0, 3.0), classify=True, options=dict(tol=0.3))
    for seed in SEEDS
)
SCALAR = DiagonalRuns(
    "scalar", "custom(u*v; u=4*alpha, v=alpha)", dict(kind="single_point", x=[1.0], y=1.5),
    (0.5, 0.9, 1.05, 1.15, 1.25, 1.35, 1.45), init_scale=0.5,
)  # fmt: skip
HEAVY = (0.8, 1.06, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35)
MOMENTUM = tuple(_regression("momentum", seed, lr=HEAVY, options=BIG, rule=dict(momentum=0.3)) for seed in SEEDS)
BELOW = (0.3, 0.5, 0.7, 0.8, 0.9)
PLAIN = _regression("plain", 0, lr=BELOW, options=BIG)
NOISE = _regression("label-noise", 0, lr=BELOW, options=BIG, rule=dict(label_noise=0.5, noise_steps=20_000))
DECAY = _regression("weight-decay", 0, lr=BELOW, options=BIG, rule=dict(weight_decay=0.02))
