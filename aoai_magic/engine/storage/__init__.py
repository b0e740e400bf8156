"""Objects, files and their database."""
