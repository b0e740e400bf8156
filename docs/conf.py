"""The documentation: Markdown pages, and reference pages that are written from the code."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from generate import generate  # noqa: E402

from aoai_magic._version import __version__  # noqa: E402

project = "aoai_magic"
author = "aoai_magic developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_rtype = False
# Docstrings name code by single backticks, in Markdown's manner.
default_role = "code"

html_theme = "furo"
html_title = "aoai_magic"
html_show_sphinx = False


def setup(app):
    """Write the generated pages before Sphinx looks for sources."""
    app.connect("builder-inited", lambda _: generate(HERE / "reference"))
