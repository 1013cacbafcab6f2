"""The verb ``gdbias deep``: a deep network on images, over learning rates."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ... import sims
from ...sims import deep
from ...sims.deep.architecture import Network
from ...sims.deep.options import DeepOptions, FollowingOptions
from ...sims.deep.program_cache import keep_programs
from ...sims.grid import read_grid
from ...sims.status import Doubt, Status
from ...theory.errors import InputError
from .effect import require_effect


@dataclass(frozen=True)
class Images:
    """Labelled samples, split and standardised."""

    data: str = "mnist5k"
    """mnist5k, digits, patches32, cifar10, or an .npz file with arrays X and y."""
    train: int = 1000
    """Training samples."""
    test: int | None = None
    """Held-out samples; up to 1,000 of the rest unless given."""
    split_seed: int = 0
    """Seed of the split."""
    folder: Path | None = None
    """Folder that holds cifar-10-batches-py."""
    channels: Literal["first", "last"] | None = None
    """Which axis of the images of an .npz file has the colours, where their sizes do not tell."""


@dataclass(frozen=True)
class Deep:
    """A deep network on images: gradient flow, and descent at every rate, run or predicted, stored and resumed."""

    store: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="STORE")]
    """Folder of the Zarr store to write or to resume."""
    lr: str = "0.2:2:10:lin"
    """Learning rates: START:STOP:NUM:lin (or :log), or values such as 0.5,1,2."""
    relative: bool = True
    """The learning rates are multiples of lr_critical, which is found from gradient flow first."""
    predict: bool = False
    """Predict where descent ends, by the central flow, instead of running it."""
    following: Annotated[FollowingOptions, tyro.conf.arg(name="")] = field(default_factory=FollowingOptions)
    images: Annotated[Images, tyro.conf.arg(name="")] = field(default_factory=Images)
    network: Annotated[Network, tyro.conf.arg(name="")] = field(default_factory=Network)
    options: Annotated[DeepOptions, tyro.conf.arg(name="")] = field(default_factory=DeepOptions)

    def __call__(self) -> None:
        i = self.images
        require_effect(i, {"folder": ("cifar10",)}, i.data, "--data {}".format)
        require_effect(
            self.network, {"base_width": ("mup",)}, self.network.parameterization, "--parameterization {}".format
        )
        require_effect(self.network, {"patches": ("vit",)}, self.network.kind, "--kind {}".format)
        if self.following != FollowingOptions() and not self.predict:
            raise InputError("warm, land and rtol are of predictions: give --predict with them")
        keep_programs()
        data = deep.load(i.data, i.train, i.test, i.split_seed, i.folder, i.channels)
        find = partial(deep.predicted, **vars(self.following)) if self.predict else deep.sweep
        ds = find(
            self.network, data, read_grid(self.lr), options=self.options, relative=self.relative, store=self.store,
        )  # fmt: skip
        print(predicted_table(ds) if self.predict else table(ds))
        print(f"written to {self.store}", file=sys.stderr)


def table(ds) -> str:
    """One line a learning rate: how it ended, and its endpoint beside gradient flow's."""
    c, edge = float(ds.lr_critical), 2 + 2 * sims.rebuild_rule(ds).momentum
    of_batches = "batch_sharpness" in ds
    lines = [f"lr_critical {c:.4g}, gradient flow: sharpness {float(ds.flow_sharpness):.4g}"]
    head = f"lr / critical        lr  status         steps{f'lr S / {edge:g}':>10}"
    head += f"{'of batches':>12}" * of_batches
    lines += [f"{head}   S / flow  l1 / flow  test loss  test accuracy"]
    for i in range(ds.sizes["lr"]):
        run = ds.isel(lr=i)
        lr, S = float(run.lr), float(run.sharpness)
        status, steps = Status(int(run.status)).name.lower(), int(run.steps)
        beside = f" {lr * float(run.batch_sharpness) / edge:11.4f}" if of_batches else ""
        lines.append(
            f"{lr / c:13.2f} {lr:9.4g}  {status:11} {steps:8d} {lr * S / edge:9.4f}{beside}"
            f" {S / float(ds.flow_sharpness):10.4f} {float(run.theta_l1 / ds.flow_theta_l1):10.4f}"
            f" {float(run.test_risk):10.5f} {float(run.test_accuracy):14.4f}"
        )
    return "\n".join(lines)


def predicted_table(ds) -> str:
    """One line a learning rate: its predicted end, the bracket of its steps, and what speaks against it."""
    c = float(ds.lr_critical)
    lines = [f"lr_critical {c:.4g}, gradient flow: sharpness {float(ds.flow_sharpness):.4g}"]
    lines += ["lr / critical        lr  status         steps  low ... high   S / flow  l1 / flow  test loss  doubts"]
    for i in range(ds.sizes["lr"]):
        run = ds.isel(lr=i)
        doubts = [doubt.name.lower().replace("_", " ") for doubt in Doubt if int(run.doubts) & doubt and doubt.name]
        lines.append(
            f"{float(run.lr) / c:13.2f} {float(run.lr):9.4g}  {Status(int(run.status)).name.lower():11}"
            f" {int(run.steps):8d} {int(run.low_steps):5d} {int(run.high_steps):8d}"
            f" {float(run.sharpness / ds.flow_sharpness):10.4f} {float(run.theta_l1 / ds.flow_theta_l1):10.4f}"
            f" {float(run.test_risk):10.5f}  {', '.join(doubts) or '-'}"
        )
    return "\n".join(lines)
