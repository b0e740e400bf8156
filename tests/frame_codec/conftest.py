import pytest

from aoai_magic.frame_codec import pack, unpack


@pytest.fixture(scope="session")
def there_and_back(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parcels")

    def travel(value):
        return unpack(pack(value, "value", folder))

    return travel
