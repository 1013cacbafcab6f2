"""Results as the claims expect them, made up; and what can be wrong with them, one thing at a time."""

import numpy as np
import xarray as xr

from gdbias.sims import Status

MULTIPLES = np.array([0.5, 0.8, 0.95, 1.1, 1.3, 1.6, 2.0, 3.0])
S, L1 = 20.0, 100.0  # of gradient flow


def result(critical: float = 0.1, edge: float = 1.0, scalar: bool = False) -> xr.Dataset:
    """Runs that follow flow below the critical rate, are at the edge above it, at higher norm, with a U of the risk."""
    x, above = MULTIPLES, np.maximum(MULTIPLES - 1, 0)
    values = dict(
        sharpness=edge * S * np.minimum(1, 1 / x), sharpness_adaptive=2 / (1 + above), trace=30 / (1 + above),
        theta_l1=L1 * (1 + 0.05 * above), theta_l2=10 * (1 - 0.02 * above if scalar else 1 + 0.02 * above),
        beta_l1=5 * (1 + 0.1 * above), test_risk=0.1 * (1 + 0.05 * (x - 1.6) ** 2),
    )  # fmt: skip
    values["batch_sharpness"] = values["sharpness"]
    for prefix in ("averaged", "cooled"):
        values |= {f"{prefix}_{name}": values[name] for name in ("theta_l1", "beta_l1", "sharpness")}
    flow = dict(flow_sharpness=S, flow_theta_l1=L1, flow_theta_l2=10.0, flow_beta_l1=5.0, flow_test_risk=0.106)
    ends = dict(norm_minimiser_risk=0.2, sharpness_minimiser_risk=0.3, least_risk=0.0999)
    once = flow | ends | dict(lr_critical=critical, start_sharpness=S / 2 * (0.1 / critical))
    return xr.Dataset(
        {name: ("lr", value) for name, value in values.items()}
        | {"status": ("lr", np.full(len(x), int(Status.CONVERGED)))}
        | {name: ((), value) for name, value in once.items()},
        {"lr": x * critical},
        {"seconds": 60.0},
    ).pipe(_in_units)


def _in_units(ds: xr.Dataset) -> xr.Dataset:
    """Sharpness in units of 2 / lr_critical."""
    unit = 2 / float(ds.lr_critical) / S
    for name in ("sharpness", "batch_sharpness", "cooled_sharpness", "averaged_sharpness", "flow_sharpness"):
        ds[name] = ds[name] * unit
    return ds


def _with(ds: xr.Dataset, **values) -> xr.Dataset:
    return ds.assign({name: ("lr", np.asarray(value)) for name, value in values.items()})


def _above(ds: xr.Dataset) -> np.ndarray:
    return np.maximum((ds.lr / ds.lr_critical).values - 1, 0)


def never_at_the_edge(runs):
    """Every run ends as sharp as flow, cooled ones and batches too."""
    flat = [np.full(ds.lr.size, float(ds.flow_sharpness)) for ds in runs]
    return [
        _with(ds, sharpness=f, cooled_sharpness=f, batch_sharpness=f, sharpness_adaptive=2 + _above(ds))
        for ds, f in zip(runs, flat, strict=True)
    ]


def unlike_flow(runs):
    """All runs end sharper than flow and at a higher norm."""
    return [_with(ds, sharpness=1.3 * ds.sharpness, theta_l1=1.3 * ds.theta_l1) for ds in runs]


def sharper_with_lr(runs):
    """Sharpness rises with the learning rate."""
    return [_with(ds, sharpness=float(ds.flow_sharpness) * (1.1 + _above(ds))) for ds in runs]


def smaller_norms(runs):
    """All norms fall with the learning rate, bent."""
    names = ("theta_l1", "theta_l2", "beta_l1", "cooled_beta_l1")
    bent = [1 - 0.1 * _above(ds) ** 0.05 for ds in runs]
    return [
        _with(ds, **{name: b * float(ds[f"flow_{name.removeprefix('cooled_')}"]) for name in names})
        for ds, b in zip(runs, bent, strict=True)
    ]


def larger_norms(runs):
    """The l2 norm of the weights rises with the learning rate, the l1 norm in jumps."""
    jump = [np.where(_above(ds) > 1.5, 2.0, 1.0) for ds in runs]
    return [_with(ds, theta_l2=10 * (1 + _above(ds)), theta_l1=L1 * j) for ds, j in zip(runs, jump, strict=True)]


def oscillation(runs):
    """Without oscillation the norm is flow's."""
    at_flow = dict(averaged_theta_l1=L1, cooled_theta_l1=L1, cooled_beta_l1=5.0)
    return [_with(ds, **{name: np.full(ds.lr.size, value) for name, value in at_flow.items()}) for ds in runs]


def best_at_once(runs):
    """The test risk rises from the smallest learning rate on."""
    return [_with(ds, test_risk=0.5 * (1 + (ds.lr / ds.lr_critical).values)) for ds in runs]


def a_u_everywhere(runs):
    """The test risk is a U over the learning rate."""
    return [_with(ds, test_risk=result().test_risk.values) for ds in runs]


def least_at_the_ends(runs):
    """One of the minimisers of norm and sharpness has the least risk."""
    return [ds.assign(norm_minimiser_risk=ds.least_risk, sharpness_minimiser_risk=ds.least_risk) for ds in runs]


def one_critical_rate(runs):
    """The critical rate is the same for all."""
    return [result() for _ in runs]


def critical_rates_apart(runs):
    """It differs from one to the next, and so does the sharpness at its multiples."""
    return [result(critical=0.1 * 0.6**i) for i, _ in enumerate(runs)]


def no_sharpening(runs):
    """Flow is sharpest at its start."""
    return [ds.assign(start_sharpness=2 / ds.lr_critical) for ds in runs]


def alike(runs):
    """All results are the first."""
    return [runs[0] for _ in runs]


def in_reverse(runs):
    """The last result is taken for the first."""
    return runs[::-1]


WRONG = (
    never_at_the_edge, unlike_flow, sharper_with_lr, smaller_norms, larger_norms, oscillation, best_at_once,
    a_u_everywhere, least_at_the_ends, one_critical_rate, critical_rates_apart, no_sharpening, in_reverse,
)  # fmt: skip


def as_expected(id: str, count: int) -> list[xr.Dataset]:
    """Results for which the claim holds."""
    match id:
        case "VAR-1":
            return [result(critical=0.1 * 0.8**i) for i in range(count)]
        case "VAR-6":
            return [result(critical=0.1 if i < 3 else 0.1 * 0.5**i) for i in range(count)]
        case "GEN-4":
            return [*best_at_once([result()]), result()]
        case "ASK-2":
            return [result(scalar=True)] * count
        case "ASK-4":
            return [result(edge=1.3)] * count
        case "ASK-7":
            return [result(edge=1.5)] * count
        case "ASK-8":
            return [_with(result(), sharpness=0.8 * result().sharpness)] * count
        case "ASK-9":
            return [result(edge=0.5)] * count
        case "ASK-5" | "ASK-6":
            quiet = result()
            return [quiet, _with(quiet, trace=0.7 * quiet.trace, sharpness=0.9 * quiet.sharpness)]
    return [result()] * count
