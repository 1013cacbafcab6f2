"""Where the central flow says that descent of a deep network ends, beside the mean of runs from perturbed starts.

Descent at the edge of stability is chaotic: what it has is the mean and deviation over starts that differ by 1e-6.

python tests/benchmarks/deep_prediction.py --seeds 1,2,3 --activations tanh,gelu
python tests/benchmarks/deep_prediction.py --data mnist5k --train 1000 --width 100 --activations tanh --rates 1.3,2
python tests/benchmarks/deep_prediction.py --kind cnn --train 200 --width 8 --activations tanh --rates 1.2,1.6
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gdbias import sims
from gdbias.sims.deep.backend import jnp
from gdbias.sims.deep.one_prediction import predict
from gdbias.sims.deep.one_run import flow_to_its_end, in_precision, run
from gdbias.sims.deep.options import DeepOptions, FollowingOptions
from gdbias.sims.deep.training_loss import objective
from gdbias.sims.status import Doubt, Status

NEVER = 10**6 + 1  # steps between looks at the sharpness: none on the way
NORMS = ("theta_l1", "theta_l2")
KEPT = ("steps", "sharpness", "averaged_sharpness", "test_risk", "averaged_test_risk", *NORMS)


def rows(asked: argparse.Namespace) -> Iterator[dict]:
    """One row for each activation, seed and learning rate."""
    options = DeepOptions(asked.loss, asked.tol, max_steps=asked.max_steps, track_every=NEVER)
    for activation in asked.activations.split(","):
        for seed in map(int, asked.seeds.split(",")):
            net = sims.deep.network(asked.kind, asked.width, asked.depth, activation, seed=seed)
            data = sims.deep.load(asked.data, train=asked.train, seed=seed)
            with in_precision(options.precision):
                theta0, target = objective(net, data, options.loss, options.precision)
                flow = {f"flow_{name}": value for name, value in flow_to_its_end(target, theta0, options)[0].items()}
                rng = np.random.default_rng(seed)
                instead = asked.repeat or asked.beside
                apart = np.repeat([1e-6, asked.repeat] if instead else [1e-6], asked.starts)[:, None]
                near = 1 + apart * rng.standard_normal((len(apart), theta0.size))
                starts = [theta0 * jnp.asarray(factor, theta0.dtype) for factor in near]
                starts, others = starts[: asked.starts], starts[asked.starts :]
                critical, follow = (
                    flow["flow_lr_critical"],
                    (FollowingOptions(land=asked.land), flow, activation == "relu"),
                )
                predict(target, theta0, 2 * critical, options, *follow)  # compiles
                run(target, theta0, critical, replace(options, max_steps=5))
                for rate in map(float, asked.rates.split(",")):
                    began = time.process_time()
                    if instead:
                        rates = rate * critical * (1 + asked.beside * np.linspace(-1, 1, asked.starts))
                        pairs = zip(others, rates, strict=True)
                        told = repeated([run(target, start, float(lr), options)[0] for start, lr in pairs])
                    else:
                        told = predict(target, theta0, rate * critical, options, *follow)
                    middle = time.process_time()
                    runs = [run(target, start, rate * critical, options)[0] for start in starts]
                    spent = middle - began, (time.process_time() - middle) / len(runs)
                    yield row(told, runs, flow) | dict(activation=activation, seed=seed, rate=rate, seconds=spent)


def repeated(runs: list[dict]) -> dict:
    """What other runs end with in the mean, in the place of a prediction."""
    mean = {name: float(np.mean([found[name] for found in runs])) for name in KEPT}
    ends = {f"{side}_{name}": mean[name] for side in ("low", "high") for name in ("steps", *NORMS)}
    return mean | ends | dict(status=max(found["status"] for found in runs), doubts=Doubt(0))


def row(told: dict, runs: list[dict], flow: dict) -> dict:
    """Errors of what is told: relative, of norms to what they grow beyond flow's, and in deviations."""
    mean, sd = {}, {}
    for name in KEPT:
        values = np.array([found[name] for found in runs], dtype=float)
        mean[name], sd[name] = float(values.mean()), float(values.std(ddof=1))
    found = {name: told[name] / mean[name] - 1 for name in KEPT if name not in NORMS}
    inside = {}
    for name in ("steps", *NORMS):
        inside[name] = bool(told[f"low_{name}"] <= mean[name] <= told[f"high_{name}"])
    for name in NORMS:
        grown = mean[name] - flow[f"flow_{name}"]
        found[name] = (told[name] - mean[name]) / grown
        found[f"{name}_deviations"] = (told[name] - mean[name]) / sd[name]
    statuses = [Status(int(told["status"])).label, *(Status(int(each["status"])).label for each in runs)]
    return dict(
        errors=found, inside=inside, mean=mean, sd=sd, statuses=statuses, doubts=int(told["doubts"]),
        told={name: float(told[name]) for name in KEPT}, flow={name: float(flow[f"flow_{name}"]) for name in NORMS},
    )  # fmt: skip


def accepted(rate: float, errors: dict) -> dict[str, bool]:
    """Which errors are within what is asked: up to twice lr_critical, and up to three times."""
    near = rate <= 2
    most = dict(sharpness=0.01, averaged_test_risk=0.005, steps=0.02) if near else dict(
        sharpness=0.02, averaged_test_risk=0.01, steps=0.03
    )  # fmt: skip
    held = {name: abs(errors[name]) <= bound for name, bound in most.items()}
    if rate >= 1.25:
        for name in NORMS:
            close = abs(errors[name]) <= (0.15 if near else 0.25)
            held[name] = close or (near and abs(errors[f"{name}_deviations"]) <= 2)
    return held


def line(found: dict) -> str:
    e, mean, sd = found["errors"], found["mean"], found["sd"]
    missed = [name for name, held in accepted(found["rate"], e).items() if not held]
    outside = [name for name, held in found["inside"].items() if not held]
    seen = (found["activation"], found["seed"], found["rate"], mean["steps"], sd["steps"])
    parts = [
        "{:5}{:3d}{:6.2f}  steps {:6.0f} +- {:4.0f}".format(*seen) + f" {e['steps']:+7.2%}",
        f"S {e['sharpness']:+7.2%} averaged {e['averaged_sharpness']:+7.2%}",
        f"test {e['test_risk']:+7.2%} averaged {e['averaged_test_risk']:+7.2%}",
        f"l1 {e['theta_l1']:+6.0%} ({e['theta_l1_deviations']:+5.1f} sd)",
        f"l2 {e['theta_l2']:+6.0%} ({e['theta_l2_deviations']:+5.1f} sd)",
        "{:6.2f} / {:6.2f} s".format(*found["seconds"]),
        f"missed {','.join(missed) or '-'}",
        f"outside {','.join(outside) or '-'}",
        "|".join(doubt.name or "" for doubt in Doubt(found["doubts"])) or "-",
        *sorted(set(found["statuses"])),
    ]
    return "  ".join(parts)


def table(found: list[dict]) -> str:
    """Medians and worst of what is asked, over all rows that converged."""
    good = [each for each in found if set(each["statuses"]) == {Status.CONVERGED.label}]
    lines = [f"{len(good)} of {len(found)} predictions and their runs converged"]
    lines += ["up to      what                  median   worst  held"]
    for low, high in ((0, 2), (2, np.inf)):
        here = [each for each in good if low < each["rate"] <= high]
        for name in ("sharpness", "averaged_sharpness", "averaged_test_risk", "test_risk", "steps", *NORMS):
            of = [each for each in here if name not in NORMS or each["rate"] >= 1.25]
            if of:
                off = np.abs([each["errors"][name] for each in of])
                held = [accepted(each["rate"], each["errors"]).get(name) for each in of]
                share = f"{sum(map(bool, held))} of {len(held)}" if None not in held else ""
                lines.append(f"{high:5.0f} lr_c  {name:20}{np.median(off):8.2%}{off.max():8.2%}  {share}")
        if here:
            inside = [held for each in here for held in each["inside"].values()]
            cost = [each["seconds"][0] / each["seconds"][1] for each in here]
            lines += [f"{high:5.0f} lr_c  bracket holds the mean in {sum(inside)} of {len(inside)}"]
            lines += [f"{high:5.0f} lr_c  cost in runs {np.median(cost):.2f}, worst {max(cost):.2f}"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--train", type=int, default=500)
    parser.add_argument("--kind", default="fcn")
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--activations", default="tanh,gelu")
    parser.add_argument("--seeds", default="1,2,3", help="of weights and of the split")
    parser.add_argument("--rates", default="0.8,1.1,1.25,1.5,2,2.5,3", help="multiples of lr_critical")
    parser.add_argument("--loss", default="squared")
    parser.add_argument("--tol", type=float, default=0.02)
    parser.add_argument("--max-steps", type=int, default=100_000)
    parser.add_argument("--land", type=int, default=FollowingOptions.land, help="last steps of descent, 0 for none")
    parser.add_argument("--starts", type=int, default=4)
    instead = "score the mean of as many other runs instead, whose {} differ by so much of themselves"
    parser.add_argument("--repeat", type=float, default=0.0, help=instead.format("starts"))
    parser.add_argument("--beside", type=float, default=0.0, help=instead.format("learning rates"))
    parser.add_argument("--out", help="a JSON file of all numbers")
    asked, found = parser.parse_args(), []
    for each in rows(asked):
        found.append(each)
        print(line(each), flush=True)
        if asked.out:
            with open(asked.out, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)
    print(table(found))


if __name__ == "__main__":
    main()
