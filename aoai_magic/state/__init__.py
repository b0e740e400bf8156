"""The data directory of the notebook's side."""
