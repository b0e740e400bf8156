import pytest

from aoai_magic.attach.resolve import resolve


@pytest.fixture
def attach(tmp_path):
    """Attach one value, each time to a folder of its own."""

    def call(value, **options):
        folder = tmp_path / f"packed-{len(list(tmp_path.iterdir()))}"
        [found] = resolve(["x"], "", {"x": value}, tmp_path, folder=folder, **options)
        return found

    return call
