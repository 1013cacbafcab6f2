"""Whether an update rule fits the data and the options of its runs."""

from ...theory.errors import InputError
from ...theory.problem import Problem
from ...theory.update_rule import UpdateRule
from ...theory.validate import shown
from ..options import Options
from .cuda import gpu


def check_rule(rule: UpdateRule, problems: list[Problem], options: Options, here: bool = True) -> None:
    """Raise InputError where a rule does not fit the data, or a window, mean or cooling does not fit the rule.

    And MissingExtra without a GPU for runs that are to be made on one ``here``.
    """
    if not isinstance(rule, UpdateRule):
        raise InputError(f"rule = {shown(rule)} is no UpdateRule: use for example theory.UpdateRule(momentum=0.9)")
    for problem in problems:
        rule.check(problem.n, problem.loss)
        if options.backend == "cupy":
            gpu.block_shape(problem.n, problem.d)
    if options.backend == "cupy" and here:
        gpu.gpu_module()
    if options.window and rule.once_settled.stochastic:
        raise InputError(f"window = {options.window} follows the map of one step, and {rule} has none: use window = 0")
    for name in ("window", "average"):
        if getattr(options, name) and options.max_steps < rule.settled:
            raise InputError(
                f"{name} = {getattr(options, name)} begins after max_steps = {options.max_steps}, before the rule "
                f"settles at step {rule.settled}: raise max_steps"
            )
    if options.cool and rule.weight_decay:
        raise InputError(
            f"cool follows gradient flow of the loss alone, and the runs have weight_decay = {rule.weight_decay:g}: "
            "use average, or no weight decay"
        )
