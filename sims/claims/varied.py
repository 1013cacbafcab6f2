"""What the paper varies: threshold, data-set size, width, depth, initialization, parameterization (section VAR)."""

from dataclasses import replace

from .claim import Claim, Expectation, Runs
from .measures import fall_of_critical, part, spread, spread_of_critical
from .networks import NEAR, digits, fcn, larger
from .regimes import TWO_REGIMES

STEEP = (0.8, 1.1, 1.5, 2.0, 3.0)
SIZES = (50, 100, 400)
WIDTHS = (32, 64, 128)


def _widths(parameterization: str) -> Runs:
    base: dict[str, int] = {"base_width": WIDTHS[0]} if parameterization == "mup" else {}
    nets = {w: replace(fcn(width=w), parameterization=parameterization, **base) for w in WIDTHS}
    return tuple(digits(f"{parameterization}-{w}", net, 0.05, lr=STEEP) for w, net in nets.items())


def _persist(id: str, what: str, quick: Runs, full: Runs = ()) -> Claim:
    return Claim(id, f"The two regimes are there at every {what}.", TWO_REGIMES, quick, full)


CLAIMS = (
    Claim(
        "VAR-1",
        "eta_c depends on the threshold that ends the runs: the lower it is, the lower eta_c; the regimes stay.",
        (Expectation("eta_c at the lowest threshold over the highest", fall_of_critical, high=0.9), *TWO_REGIMES),
        tuple(digits(f"tol-{tol:g}", fcn(), tol) for tol in (0.2, 0.1, 0.05)),
        tuple(larger(f"mnist1k-tol-{tol:g}", fcn("tanh", 100), tol) for tol in (0.1, 0.03, 0.01)),
    ),
    _persist(
        "VAR-2",
        "size of the data set",
        tuple(digits(f"train-{n}", fcn(), train=n) for n in SIZES),
        tuple(larger(f"mnist-train-{n}", fcn("tanh", 100), 0.02, train=n) for n in (250, 1000, 2000)),
    ),
    _persist(
        "VAR-3",
        "width",
        tuple(digits(f"width-{w}", fcn(width=w)) for w in (12, 48, 96)),
        tuple(larger(f"mnist1k-width-{w}", fcn("tanh", w), 0.02) for w in (25, 100, 400)),
    ),
    _persist(
        "VAR-4",
        "depth",
        tuple(digits(f"depth-{n}", fcn(depth=n)) for n in (1, 3, 4)),
        tuple(larger(f"mnist1k-depth-{n}", fcn("tanh", 100, n), 0.02) for n in (1, 2, 4)),
    ),
    _persist(
        "VAR-5",
        "scale of the initialization",
        tuple(digits(f"scale-{a:g}", fcn(init_scale=a)) for a in (0.5, 1.5, 2.0)),
        tuple(larger(f"mnist1k-scale-{a:g}", fcn("tanh", 100, init_scale=a), 0.02) for a in (0.5, 1.0, 2.0)),
    ),
    Claim(
        "VAR-6",
        "Under muP the curve of sharpness over the learning rate does not depend on the width, in the standard "
        "parameterization it does.",
        (
            Expectation("muP: eta_c over widths 32 to 128 differs by", part(slice(3), spread_of_critical), high=0.15),
            Expectation("muP: sharpness at the same lr / eta_c by", part(slice(3), spread("sharpness")), high=0.15),
            Expectation("standard: eta_c by", part(slice(3, None), spread_of_critical), low=0.3),
        ),
        (*_widths("mup"), *_widths("standard")),
    ),
    Claim(
        "VAR-7",
        "In the kernel parameterization the two regimes are there as well.",
        TWO_REGIMES,
        tuple(digits(f"kernel-{w}", fcn(width=w, parameterization="kernel"), lr=NEAR) for w in (24, 96)),
    ),
)
