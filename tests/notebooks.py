"""Run the notebooks of the gallery in place, with all that they print and draw but their progress.

python tests/notebooks.py                       # all, written in place
python tests/notebooks.py your_own.ipynb
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "figures" / "gallery"
SECONDS = 600  # for one cell


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook after a run of all of its cells in an empty folder; raises CellExecutionError where one fails."""
    notebook = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}}
        ).execute(cwd=folder)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ from run to run
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    for path in [FOLDER / name for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(path), path)
        print(path.name)
