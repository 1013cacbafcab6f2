"""How long the explorer takes: to its first picture, to a run made by a click, and what memory its server holds.

    python tests/benchmarks/explorer.py STORE [STORE ...]

Needs the extras explore and browser, and Chromium. Seconds of the clock on this machine, and of the server's processor.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import browsing  # noqa: E402

CLICKS = 5
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TICK = os.sysconf("SC_CLK_TCK")


class Clock:
    """The time since it was made, and the processor's in another process."""

    def __init__(self, process):
        self.stat, self.status = (Path(f"/proc/{process}/{name}") for name in ("stat", "status"))
        self.begin, self.spent = time.perf_counter(), self._spent()

    def _spent(self):
        user, system = self.stat.read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / TICK

    def __str__(self):
        return f"{time.perf_counter() - self.begin:6.2f} s, of the server {self._spent() - self.spent:5.2f} s"

    def memory(self):
        """The most that the process has held, in MB."""
        return int(re.findall(r"VmHWM:\s*(\d+)", self.status.read_text())[0]) / 1024


def measure(browser, store):
    """Print what one store takes."""
    arguments = [sys.executable, "-m", "gdbias", "explore", store, "--no-browser"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as server:
        clock = Clock(server.pid)
        address = re.findall(r"http://\S+", server.stderr.readline())[0]
        print(f"{store}\n  the server listens    {clock}")
        for name in ("first", "second"):
            clock = Clock(server.pid)
            here = browsing.Visitor(browser, address).until_drawn()
            print(f"  {name} picture        {clock}")
            here.until("model('told A') !== undefined")
            print(f"  what follows it       {clock}")
            here.page.wait_for_timeout(5000)  # lines and kernels
            for k in range(CLICKS):
                told = here.value("told A", "text")
                x, y, w, h = (here.data("cells", side)[0] for side in ("x", "y", "dw", "dh"))
                clock = Clock(server.pid)
                here.click(x + w * (0.2 + 0.1 * k), y + h / 3)
                here.until("model('told A').text !== args[0] && model('path A').data.step.length > 0", told)
                here.page.evaluate(PAINTED)
                print(f"  a click               {clock}")
                here.page.wait_for_timeout(1500)
            here.close()
        print(f"  memory of the server  {clock.memory():.0f} MB")
        server.terminate()


if __name__ == "__main__":
    with browsing.chromium() as found:
        for path in sys.argv[1:]:
            measure(found, path)
