"""``python -m aoai_magic`` is ``aoai-magic``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
