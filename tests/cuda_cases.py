"""The models and rules that the GPU's kernel is tried on, on a GPU and compiled for this processor."""

from gdbias import theory

MODELS = [
    theory.power(2), theory.power(3), theory.difference(2), theory.product(3),
    theory.custom("first*n - cos**2", start={"first": 0.1, "n": 0.2, "cos": 0.3}),  # names that kernels have as well
]  # fmt: skip
RULES = [
    theory.UpdateRule(),
    theory.UpdateRule(momentum=0.5, weight_decay=0.1, schedule="cosine(50)"),
    theory.UpdateRule(momentum=0.3, label_noise=0.1, noise_steps=20, schedule="ramp(50, start=0.5)"),
    theory.UpdateRule(  # the number of the step, the loss, a total over all weights, parameters of any name, corners
        step="weight - lr*mean/(1 - beta**(step + 1))/sqrt(1 + loss + total(gradient**2)); "
        "mean <- beta*mean + (1 - beta)*(max(gradient, -cap) - abs(gradient)*sign(weight)/9), from 0",
        step_parameters=dict(beta=0.8, cap=0.5),
    ),
    theory.UpdateRule(  # the gradient at other weights, of the same samples
        step="weight - lr*gradient*(1 + total(gradient**2)); "
        "gradient at weight + rho*gradient/sqrt(total(gradient**2))",
        step_parameters=dict(rho=0.05),
        batch=3,
    ),
    theory.UpdateRule(batch=2, label_noise=0.1, noise_seed=3),
]
