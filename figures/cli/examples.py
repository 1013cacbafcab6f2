"""Commands that work as they stand, for the end of each verb's help: what for, and what to type after the verb."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "quickstart": (
        ("the tour, on synthetic data", ""),
        ("the same on your own table", "--csv data.csv --target price --out price"),
        ("on data that a package ships", "--diabetes 120 --out diabetes"),
    ),
    "derive": (
        ("everything that has a closed form", "'difference(2)'"),
        ("a model of your own, as a LaTeX document", "'custom(u*v - w**2)' --tex derivation.tex"),
    ),
    "predict": (
        ("critical learning rates, and where descent ends at three", "--init-scale 0.1 --lr 0.1,0.2,0.3"),
        ("a whole plane, without a run", "plane.zarr --lr 0.05:0.4:40:log --init-scale 0.01:0.5:16:log"),
        ("your own data", "--csv data.csv --target price --lr 0.01,0.02"),
    ),
    "run": (
        ("one run, and its picture", "--lr 0.25 --plot run.png"),
        ("with momentum, kept to look at later", "--lr 0.25 --momentum 0.5 --store run.zarr"),
    ),
    "sweep": (
        ("a plane of runs", "runs.zarr --lr 0.05:0.4:48:log --init-scale 0.01:0.5:16:log"),
        ("what it would cost", "runs.zarr --lr 0.05:0.4:480:log --init-scale 0.01:0.5:160:log --dry-run"),
        ("beyond the edge: periods and chaos", "chaos.zarr --lr 0.2:0.6:200:lin --init-scale 0.1 --window 2000"),
    ),
    "plot": (
        ("the phase diagram of a sweep", "phase_diagram runs.zarr"),
        ("beside the predicted plane", "phase_diagram runs.zarr --predicted plane.zarr --out both.pdf"),
        ("sharpness and norm along one row", "norm_sharpness runs.zarr --init-scale 0.1"),
        ("one run over its steps, which gdbias run --store run.zarr keeps", "trajectory run.zarr"),
    ),
    "verify": (
        ("every statement, in half a minute", "--quick"),
        ("some, with a page to send", "--only FRO-6 --only CRIT-1 --html verified.html"),
    ),
    "report": (("how a result was made, and the command that makes it again", "runs.zarr"),),
    "deep": (
        ("a small network on digits at multiples of its critical rate", "digits.zarr --relative --lr 0.8,1.2,1.6,2"),
        ("the same, predicted", "digits-predicted.zarr --relative --lr 0.8,1.2,1.6,2 --predict"),
    ),
    "explore": (
        ("a sweep in the browser", "runs.zarr"),
        ("beside what is predicted without any run", "runs.zarr --predicted plane.zarr"),
        ("a problem that is made in the page", ""),
        ("one page to send, that needs no server", "runs.zarr --html runs.html"),
    ),
    "reproduce": (
        ("which claims there are", "--list"),
        ("all of them at small size, in ten minutes", "--quick"),
        ("one in full", "--only REG-1 --out reproduction"),
    ),
}
