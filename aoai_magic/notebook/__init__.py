"""What IPython and JupyterLab touch: magics, completion, line commands, the Python API."""
