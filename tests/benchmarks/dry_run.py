"""What `gdbias sweep --dry-run` tells beside what the sweep then takes; see README.md."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEPS = (  # options of the command line, on purpose of different kinds
    "--n 10 --d 20 --max-steps 2000 --lr 0.01:1:300:log --init-scale 0.001:1:300:log",
    "--n 20 --d 40 --max-steps 20000 --lr 0.01:1:64:log --init-scale 0.001:1:64:log",
    "--n 50 --d 200 --signs random --max-steps 3000 --lr 0.01:1:32:log --init-scale 0.01:1:32:log",
    "--n 10 --d 40 --signs random --window 2000 --max-steps 20000 --lr 0.05:1:64:log --init-scale 0.01:1:64:log",
    "--n 5,10,20 --d 40 --model power(2),power(3) --max-steps 5000 --lr 0.01:1:48:log --init-scale 0.01:1:48:log",
)
PROGRAM = """
import sys, resource
from gdbias.figures.cli.command import main
main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def run(options: list[str]) -> tuple[str, float]:
    began = time.perf_counter()
    found = subprocess.run([sys.executable, "-c", PROGRAM, "sweep", *options], capture_output=True, text=True)
    assert not found.returncode, found.stderr
    return found.stdout, time.perf_counter() - began


def seconds(text: str) -> float:
    units = {"h": 3600, "min": 60, "s": 1}
    [line] = re.findall(r"^time +(.*?) {3}", text, re.MULTILINE)
    return sum(float(value) * units[unit] for value, unit in re.findall(r"([\d.]+) (h|min|s)\b", line))


def size(text: str, name: str) -> float:
    [(value, unit)] = re.findall(rf"^{name} +([\d.]+) (MB|GB)", text, re.MULTILINE)
    return float(value) * {"MB": 1e6, "GB": 1e9}[unit]


def main() -> None:
    print("told / found: time, peak memory, size of the store")
    for options in SWEEPS:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "a.zarr"
            told, _ = run([str(store), *options.split(), "--dry-run"])
            _, start = run([f"{store}.one", "--lr", "0.1", "--init-scale", "0.1", "--max-steps", "1"])
            found, took = run([str(store), *options.split()])
            peak = float(re.findall(r"^peak (\d+)", found, re.MULTILINE)[0])
            bytes_there = sum(p.stat().st_size for p in store.rglob("*") if p.is_file())
            took -= start  # imports, which an estimate does not count
            ratios = seconds(told) / took, size(told, "memory") / peak, size(told, "size") / bytes_there
            print(
                f"{ratios[0]:5.2f}  {ratios[1]:5.2f}  {ratios[2]:5.2f}"
                f"   {took:6.1f} s  {peak / 1e6:5.0f} MB  {bytes_there / 1e6:6.1f} MB   {options}",
                flush=True,
            )


if __name__ == "__main__":
    main()
