"""How a run ended."""

from enum import IntEnum


class Status(IntEnum):
    """The end of a run. Stored as int8 with CF flag attributes."""

    NOT_RUN = -1  # the fill value of a store: not computed yet
    CONVERGED = 0  # at rest by tol for `hold` steps, and sharpness at most 2 / lr, or the rule's sharpness_limit
    DIVERGED = 1  # loss not below 1e6 * max(1, first loss)
    STEP_LIMIT = 2  # max_steps taken: raise it to see where the run ends
    UNSTABLE_MINIMUM = 3  # held tol by chance, where the sharpness is above that limit
    BOUNDED = 4  # in a map of divergence: did not diverge
