"""``python -m aoai_magic`` is ``aoai-magic``."""

if __name__ == "__main__":
    # Absolute, and only here: worker processes load this file under another name.
    from aoai_magic.cli.main import main

    raise SystemExit(main())
