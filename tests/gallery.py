"""The gallery of figures/README.md: makes its pictures, by the commands that stand there, and its part of the page.

python tests/gallery.py                          # all pictures, in some minutes, and the page
python tests/gallery.py trajectory bifurcation   # these
python tests/gallery.py --page                   # the page alone
"""

import os
import shlex
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple

from gdbias.figures.cli.command import main

FIGURES = Path(__file__).resolve().parent.parent / "figures"
PAGE, FOLDER = FIGURES / "README.md", FIGURES / "gallery"
BEGIN, END = "## Gallery\n", "### Depth and samples\n"
HEAD = """
A picture of every kind that `gdbias plot` draws. All of them but the last, and this part of the page, are made by
`python tests/gallery.py` (`pip install '.[deep]'`), each by the commands below it.
"""
WIDTH = 120  # of a line of the page
NARROW = 420  # pixels of a picture of one column


class Picture(NamedTuple):
    """A picture of the gallery: its name, the figure that it shows, and what a reader is told of it.

    ``commands`` are those of gdbias that make it, ``made`` the pictures that they leave, NAME.png unless given.
    ``python`` makes it instead, as text with the names of the tour.
    """

    name: str
    figure: str
    title: str
    caption: str
    commands: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    python: str = ""
    wide: bool = False


PICTURES = (
    Picture(
        "phase_diagram",
        "phase_diagram",
        "Phase diagram over learning rate and initialization scale",
        """768 runs of power(2) on a regression of a dense teacher (n = 10, d = 40). Colour: learning rate
        times final sharpness over 2; lines: the learning rates at which theory expects a change. Beside it
        the same plane predicted without any run, and what lies between them.""",
        ("quickstart",),
        ("gdbias-quickstart/phase_diagram.png",),
        wide=True,
    ),
    Picture(
        "norm_sharpness",
        "norm_sharpness",
        "Sharpness, norms and test risk against the learning rate, with predictions",
        """Dots and solid lines: runs of difference(2), n = 20, d = 40. Purple: predicted, in bars that hold
        68 % and 90 % of runs. The test risk is smallest at lr = 0.51 (0.849; gradient flow has 1.37), and
        the four runs above lr_max do not converge.""",
        (
            "sweep rates.zarr --n 20 --signs random --lr 0.25:0.62:38:lin --init-scale 0.1 --max-steps 400000",
            "plot norm_sharpness rates.zarr",
        ),
    ),
    Picture(
        "frontier",
        "frontier",
        "Norm-sharpness plane",
        """The plane of the two biases: the curve is the least norm of an interpolator at each sharpness, a
        convex program; descent moves from gradient flow's endpoint towards the sharpness minimiser as the
        learning rate grows.""",
        ("plot frontier rates.zarr",),
    ),
    Picture(
        "regimes",
        "regimes",
        "Phases, frontier, endpoints and three runs of one problem",
        """All of it on one page: (a) 1,000 runs in their phases, under boundaries that are predicted
        without any run; (b) and (c) one row of them; (d) the loss along three runs, below lr_critical,
        between lr_critical_final and lr_max, and above.""",
        (
            "sweep regimes.zarr --n 20 --signs random --lr 0.25:0.75:40:lin --init-scale 0.01:1:25:log"
            " --max-steps 100000 --window 2000",
            "plot regimes regimes.zarr --init-scale 0.1 --runs",
        ),
        wide=True,
    ),
    Picture(
        "predicted",
        "phase_diagram",
        "Phases measured, predicted without any run, and their difference",
        """The plane of (a) above, measured and predicted. They part where a large start makes descent leap
        at once (dark blue: runs end flatter than the edge), and above lr_max, where no run converges and
        some diverge earlier than predicted.""",
        (
            "predict predicted.zarr --n 20 --signs random --lr 0.25:0.75:40:lin --init-scale 0.01:1:25:log",
            "plot phase_diagram regimes.zarr --by phase --predicted predicted.zarr --out predicted.png",
        ),
        wide=True,
    ),
    Picture(
        "trajectory",
        "trajectory",
        "Loss, sharpness, norms and test risk along one run",
        """One run beyond lr_critical_final: its sharpness oscillates about the edge of stability, and ends
        on it.""",
        (
            "run --n 20 --signs random --lr 0.55 --init-scale 0.1 --store run.zarr",
            "plot trajectory run.zarr",
        ),
    ),
    Picture(
        "bifurcation",
        "bifurcation",
        "Orbits over the learning rate, and Lyapunov exponents",
        """Where runs are in the end: at a minimum up to lr_max, where no interpolator is stable any more,
        then on cycles of 2, 4 and more points, then on chaotic sets, where nearby runs part (an exponent
        above 0).""",
        (
            "sweep orbits.zarr --signs random --n 5 --d 8 --sparsity 2 --lr 0.9:1.75:600:lin --init-scale 0.1"
            " --window 2000 --max-steps 20000",
            "plot bifurcation orbits.zarr",
        ),
    ),
    Picture(
        "rules",
        "rules",
        "Sharpness, norm and test risk of six update rules over the learning rate, each in units of its own edge",
        """One panel a rule. Descent follows the grey line, a minimum as sharp as gradient flow's, to the edge
        and stays on it, Nesterov's step up to it, after first steps that lift it off the line. Heavy ball leaves
        the line early, both as predicted up to a third and two thirds of the edge, and diverges before it.
        SAM comes to no rest, and up to an eighth of 2 / S is where theory has it after as many steps. RMSProp with
        one scale for all weights is at its edge at every learning rate, and Adam ends at a larger norm also where
        it is far from its edge.""",
        (
            "sweep rules.zarr --n 20 --signs random --lr 0.01:1.5:30:log --init-scale 0.1 --momentum 0.9"
            " --rule gradient_descent,heavy_ball,nesterov,sam,adam,rmsprop_scalar --max-steps 100000",
            "plot rules rules.zarr",
        ),
        wide=True,
    ),
    Picture(
        "momentum",
        "phase_diagram",
        "Sharpness over the learning rate and momentum, with predicted boundaries",
        """Heavy ball over momentum b: each line is where its edge, lr S = 2 + 2 b, meets one sharpness. Up to
        b = 0.5 runs go on to the edge and along it; with more momentum the first steps throw them out before
        they come to it. Nesterov's edge (`nesterov.png`), lr S = (2 + 2 b) / (1 + 2 b), falls with momentum, and
        runs converge up to lr_max and no further.""",
        made=("momentum.png", "nesterov.png"),
        python="""
model, problem = theory.difference(2), theory.sparse_regression(n=20, d=40, sparsity=5, signs="random")
for name, step in (("momentum", "heavy_ball"), ("nesterov", "nesterov")):
    momenta = [theory.UpdateRule(momentum=b / 20, step=step) for b in range(19)]
    runs = sims.sweep(model, problem, sims.Grid(0.1, 1.5, 60), 0.1, rule=momenta, max_steps=40_000)
    figures.save(figures.phase_diagram(runs, theory.predict(model, problem, 0.1)), f"{name}.png")
""",
    ),
    Picture(
        "contrast",
        "contrast",
        "A diagonal network beside a deep one, over the learning rate in units of the critical one",
        """The runs of the second picture beside those of a network on MNIST-1k: both follow gradient flow
        up to lr_critical, and the edge of stability beyond.""",
        ("plot contrast rates.zarr --deep figures/gallery/mnist1k.json",),
        wide=True,
    ),
    Picture(
        "mnist5k",
        "norm_sharpness",
        "MNIST: sharpness, norms and test risk against the learning rate",
        """MNIST-5k, from [the runs kept](../sims/README.md#what-of-the-paper-is-reproduced); `mnist1k.png`
        alike.""",
        (
            "plot norm_sharpness figures/gallery/mnist5k.json --out mnist5k.png",
            "plot norm_sharpness figures/gallery/mnist1k.json --out mnist1k.png",
        ),
        ("mnist5k.png", "mnist1k.png"),
    ),
    Picture(
        "minimisers",
        "minimisers",
        "One sample: three minimisers and the ends of descent",
        """One sample: shares of the fit, the plane of the two biases, and the expected error. Descent goes
        from gradient flow's low norm towards the sharpness minimiser, and has the least error, 1.628 where
        1.622 is possible, at 1.10 lr_critical.""",
        python="""
model, point = theory.power(2), theory.single_point([1.6, 1.2, 0.9, 0.7, 0.5], 1.5)
one = theory.predict(model, point, init_scale=0.1)
rates = sims.sweep(model, point, lr=sims.Grid(0.05, 0.6, 60, "lin"), init_scale=0.1, max_steps=20_000)
figures.save(figures.minimisers(one, rates), "minimisers.png")
""",
    ),
    Picture(
        "spectrum",
        "spectrum",
        "Five largest eigenvalues and the blocks of three layers in units of 2 / lr, and the distance to gradient flow",
        """Digits, tanh: one eigenvalue after the other comes to the edge of stability as the learning rate
        grows, the blocks of single layers stay at 0.11 to 0.54 of it, and descent parts from gradient flow
        at equal time.""",
        (
            "deep spectrum.zarr --data digits --train 200 --width 24 --activation tanh --tol 0.03"
            " --lr 0.8,1.1,1.3,1.6,2,3 --top 5 --layers --distance",
            "plot spectrum spectrum.zarr",
        ),
    ),
)
CLAIM = """
<img src="gallery/REG-1.png" width="420" alt="MNIST, tanh: what a claim is judged by, in units of the critical one">

*The picture of a claim: MNIST-1k, tanh, with its runs in `gallery/mnist1k-fcn-tanh.json`. It takes minutes; made by:*

    gdbias reproduce --only REG-1

<img src="gallery/REG-4.png" width="420" alt="Residual networks: what a claim is judged by, in critical units">

*The same claim of residual networks, on MNIST-1k and on 400 tiles of photographs, with their runs in
`gallery/mnist1k-resnet.json` and `gallery/patches32-resnet.json`. It takes two hours; made by:*

    gdbias reproduce --only REG-4

<img src="gallery/REG-5.png" width="420" alt="Transformers: what a claim is judged by, in units of the critical rate">

*And of transformers, on the same images, with their runs in
`gallery/mnist1k-vit.json` and `gallery/patches32-vit.json`. It takes 18 minutes of one core; made by:*

    gdbias reproduce --only REG-5
"""


def page() -> str:
    """The gallery as Markdown."""
    return "\n".join([HEAD, *map(entry, PICTURES), CLAIM.lstrip("\n")])


def entry(picture: Picture) -> str:
    """One picture of the page, with what makes it."""
    place, title = f"gallery/{picture.name}.png", picture.title
    shown = f"![{title}]({place})" if picture.wide else f'<img src="{place}" width="{NARROW}" alt="{title}">'
    made = f"```python{picture.python}```" if picture.python else "\n".join(f"    gdbias {c}" for c in picture.commands)
    told = textwrap.fill(f"*`{picture.figure}`. {' '.join(picture.caption.split())} Made by:*", WIDTH)
    return f"{shown}\n\n{told}\n\n{made}\n"


def written(text: str) -> str:
    """The text of the whole page with this gallery in it."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + page() + "\n" + END + rest.split(END)[1]


def make(picture: Picture) -> None:
    """Make one picture in the folder where one is, and copy it to the gallery."""
    if picture.python:
        exec("from gdbias import figures, sims, theory\n" + picture.python, {})
    for command in picture.commands:
        main(shlex.split(command))
    for made in picture.made or (f"{picture.name}.png",):
        shutil.copyfile(made, FOLDER / Path(made).name)


if __name__ == "__main__":
    asked = sys.argv[1:]
    chosen = [picture for picture in PICTURES if not asked or picture.name in asked]  # none of them is named --page
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("figures").symlink_to(FIGURES)
        for picture in chosen:
            make(picture)
            print(picture.name, flush=True)
