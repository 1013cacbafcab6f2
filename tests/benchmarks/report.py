"""Tables and the plot of a result of suite.py."""

import statistics

from contestants import CONTESTANTS
from rich.console import Console
from rich.table import Table

_console = Console(width=130)


def _table(title, *columns):
    print(f"\n{title}")
    table = Table(box=None, pad_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def print_machine(place):
    """What the suite runs on, in three lines."""
    print(f"{place['date']}  {place['processor']}, {place['cores']} cores, load {place['load']}, {place['system']}")
    print(f"commit {place['commit']}, {place['compiler']}" + (f", {place['gpu']}" if place["gpu"] else ""))
    print(", ".join(f"{package} {version}" for package, version in place["versions"].items()))


def print_workload(name, result):
    """Seconds, ratios and agreement of every contestant on one workload."""
    title = f"{name}: {result['about']}, {result['model']}, {result['runs']} runs, cap {result['cap']}"
    table = _table(
        title, "", "seconds", "ratio: min", "median", "max", "to", "converged", "diverged", "run-steps", "differ",
        "loss", "sharpness",
    )  # fmt: skip
    for who, entry in result["contestants"].items():
        ratio, outcome, same = entry.get("ratio"), entry["outcome"], entry.get("agreement")
        ratios = [*(f"{ratio[k]:.2f}" for k in ("min", "median", "max")), ratio["to"]] if ratio else [""] * 4
        shares = [f"{outcome[k] / result['runs']:.1%}" for k in ("converged", "diverged")]
        agree = [f"{same['status_differs']} of {same['settled']}"] if same else [""]
        agree += (
            [f"{same[k]:.0e}" if same[k] else "0" for k in ("loss_difference", "sharpness_difference")] if same else []
        )
        table.add_row(who, f"{min(entry['seconds']):.3f}", *ratios, *shares, f"{outcome['run_steps']:.3g}", *agree)
    _console.print(table)
    for who, reason in result["absent"].items():
        print(f"{who} left out: {reason}")


def print_scaling(curves):
    """Cost of a run-step along each curve."""
    for name, curve in curves.items():
        table = _table(
            f"Cost of a run-step against {name}, log-log slope {curve['slope']:.2f}", name, "ns: min", "median", "max"
        )
        for value, rows in zip(curve["values"], curve["ns_per_run_step"], strict=True):
            table.add_row(str(value), *(f"{f(rows):.1f}" for f in (min, statistics.median, max)))
        _console.print(table)


def print_start_up(seconds):
    """Seconds of fresh processes."""
    table = _table("Start-up, whole process", "", "seconds: min", "median", "max")
    for name, rows in seconds.items():
        table.add_row(name, *(f"{f(rows):.2f}" for f in (min, statistics.median, max)))
    _console.print(table)


def plot(result, path):
    """Ratios to gdbias by workload with their spread, and the cost of a run-step along the scaling curves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    workloads, curves = result["workloads"], result.get("scaling", {})
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=(2, 1), layout="constrained")
    names = [n for n in CONTESTANTS if any("ratio" in w["contestants"].get(n, {}) for w in workloads.values())]
    names = [n for n in names if CONTESTANTS[n].base != n]
    for k, name in enumerate(names):
        entries = [
            (i, w["contestants"][name]["ratio"]) for i, w in enumerate(workloads.values()) if name in w["contestants"]
        ]
        middle = [r["median"] for _, r in entries]
        error = [[r["median"] - r["min"] for _, r in entries], [r["max"] - r["median"] for _, r in entries]]
        at = [i + (k - (len(names) - 1) / 2) * 0.8 / len(names) for i, _ in entries]
        label = name if CONTESTANTS[name].base == "gdbias" else f"{name} / {CONTESTANTS[name].base}"
        left.errorbar(at, middle, error, fmt="o", markersize=4, capsize=2, label=label)
    left.axhline(1, color="0.6", linewidth=0.8)
    left.set(yscale="log", ylabel="time / time of gdbias", title="Ratios: median, least and largest over rounds")
    left.set_xticks(range(len(workloads)), list(workloads))
    if names:
        left.legend(fontsize=7, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    for name, curve in curves.items():
        least = [min(rows) for rows in curve["ns_per_run_step"]]
        right.plot(curve["values"], least, "o-", markersize=4, label=f"{name} (slope {curve['slope']:.2f})")
    right.set(xlabel="size", ylabel="ns per run-step", title="Cost of a run-step")
    if curves:
        right.set(xscale="log", yscale="log")
        right.legend(fontsize=7)
    fig.savefig(path, dpi=150)
    plt.close(fig)
