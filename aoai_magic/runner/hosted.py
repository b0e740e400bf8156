"""Hosted notebooks, known by what stands in their documentation or their own packages."""

from __future__ import annotations

import os
from pathlib import Path

PLACES = {
    "COLAB_RELEASE_TAG": "Google Colab",
    "KAGGLE_KERNEL_RUN_TYPE": "Kaggle",
    "BINDER_LAUNCH_HOST": "Binder",
    "CODESPACES": "GitHub Codespaces",
    "/opt/ml/metadata/resource-metadata.json": "Amazon SageMaker",
    "/mnt/azmnt/.nbvm": "Azure Machine Learning",
    "JUPYTERHUB_USER": "JupyterHub",
}
"""By a variable that is set there, or a file; JupyterHub last, since others are built on it."""


def hosted_by() -> str:
    """Return the name of the service that this notebook runs at; empty where none is known."""
    found = (
        name
        for mark, name in PLACES.items()
        if (Path(mark).exists() if mark.startswith("/") else os.environ.get(mark))
    )
    return next(found, "")
