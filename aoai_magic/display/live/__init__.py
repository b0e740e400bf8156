"""The view of a turn while it runs: ipywidgets."""
