"""Run python.ipynb in a kernel and store what it shows.

    .venv/bin/python -m pip install nbclient ipykernel
    .venv/bin/python docs/refresh_notebook.py

Stored are values, tables, figures and what is printed. Progress bars, warnings and the times of
cells differ from run to run and are left out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("python.ipynb")
SHOWN = ("text/plain", "text/html", "image/png")


def main() -> None:
    """Run all cells in an empty folder and write the notebook back."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    metadata = dict(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
    notebook.metadata = metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.metadata = {}
        cell.execution_count = number
        cell.outputs = [kept for one in cell.outputs if (kept := _kept(one, number))]
    NOTEBOOK.write_text(nbformat.writes(notebook) + "\n", "utf-8")


def _kept(output: nbformat.NotebookNode, number: int) -> nbformat.NotebookNode | None:
    """Return what an output shows in any run; None for a bar or a warning."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if output.output_type != "execute_result":
        return None
    shown = {kind: output.data[kind] for kind in SHOWN if kind in output.data}
    return nbformat.v4.new_output("execute_result", data=shown, execution_count=number)


if __name__ == "__main__":
    main()
