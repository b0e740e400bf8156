"""How long a table takes to open as a grid in JupyterLab, from the press to painted rows.

    python benchmarks/grid.py [--rows 10000] [--opens 10]

Runs a turn that returns such a table of 6 columns in JupyterLab in Chromium, points at the
button "Grid" as a user does, presses it, and waits for the frame after the one in which the
rows stand. The first time the code of the grid is loaded too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "aoai_magic" / "labextension"
SCRIPT = """
turns:
  - - code: |
        import numpy as np
        import pandas as pd
        dice = np.random.default_rng(0)
        frame = pd.DataFrame({{f"number {{n}}": dice.normal(size={rows}) for n in range(4)}})
        frame["name"] = [f"customer {{n}}" for n in range({rows})]
        frame["at"] = pd.date_range("2024-01-01", periods={rows}, freq="min")
        frame.to_parquet("/mnt/data/many.parquet")
    - text: Saved.
"""
OPEN = """
async () => {
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  const button = document.querySelector('[title^="Show many.parquet as a grid"]');
  const began = performance.now();
  button.click();
  while (!document.querySelector('.aoai-Grid canvas')) {
    await frame();
  }
  await frame();
  return performance.now() - began;
}
"""


def opened(notebook: Any) -> float:
    """Open the grid and close it again; give the milliseconds of the opening."""
    page = notebook.page
    page.get_by_title("Show many.parquet as a grid").hover()
    page.wait_for_timeout(150)
    took = float(page.evaluate(OPEN))
    page.locator(".aoai-Grid").get_by_role("button", name="Close").click()
    page.locator(".aoai-Grid").wait_for(state="detached")
    return took


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--opens", type=int, default=10)
    given = options.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import lab as labs

    with tempfile.TemporaryDirectory() as folder:
        root, home, share = (Path(folder, name) for name in ("root", "home", "share"))
        for path in (root, home, share / "labextensions"):
            path.mkdir(parents=True)
        (share / "labextensions" / "aoai-magic").symlink_to(BUILT)
        script = Path(folder, "script.yaml")
        script.write_text(SCRIPT.format(rows=given.rows))
        load = f"%load_ext aoai_magic\n%config AssistantMagics.model = 'scripted:{script}'"
        env = {"JUPYTER_PATH": str(share), "AOAI_MAGIC_HOME": str(home / "data")}
        with labs.open_lab(root, home, env) as lab, labs.open_browser() as browser:
            lab.write("grid.ipynb", labs.make_notebook(load, "%%assistant\nMake a table."))
            notebook = labs.open_notebook(browser.new_context(), lab, "grid.ipynb")
            notebook.run(0)
            notebook.run(1)
            first, *later = [opened(notebook) for _ in range(given.opens + 1)]
    print(f"{given.rows:,} rows: first {first:.0f} ms, later {statistics.median(later):.0f} ms")
    print(f"  (of {', '.join(f'{one:.0f}' for one in sorted(later))})")


if __name__ == "__main__":
    main()
