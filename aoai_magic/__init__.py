"""Ask a model about the data in your notebook; a sandbox runs the Python that it writes."""

__version__ = "0.1.0"
