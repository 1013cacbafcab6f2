"""The phases that theory allows, written out one learning rate at a time: what tests hold the figures' shares to."""

from gdbias.sims import Phase

ENDLESS = (Phase.PERIODIC, Phase.CHAOTIC, Phase.DIVERGED)


def permitted(lr, critical, final, most, divergence):
    """The phases in which a run at ``lr`` may be by the four predicted boundaries."""
    if lr >= divergence and (lr < most or lr >= divergence * final / critical):
        return (Phase.DIVERGED,)
    if lr >= most:
        return ENDLESS
    if lr < critical:
        return (Phase.FLOW_ALIGNED, Phase.CATAPULT, Phase.CONVERGING)
    late = (Phase.CATAPULT, Phase.EDGE_OF_STABILITY, Phase.CONVERGING)
    return (*late, Phase.FLOW_ALIGNED) if lr < 1.03 * final else late


def share(rates, phases, boundaries):
    """Runs that are right and runs that count, for the boundaries of each row of ``phases`` (rows, rates)."""
    cells = [
        phase in permitted(lr, *bounds)
        for row, bounds in zip(phases, boundaries, strict=True)
        for lr, phase in zip(rates, row, strict=True)
        if phase != Phase.UNDECIDED
    ]
    return sum(cells), len(cells)
