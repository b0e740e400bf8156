"""Files that come back, read into the notebook's objects."""
