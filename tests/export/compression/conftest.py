"""The lane tfmot, started once for all tests of a file."""

import pytest
from kept_lane import kept_lane


@pytest.fixture(scope="module", name="kept_lane")
def keep(tmp_path_factory):
    with kept_lane(tmp_path_factory.mktemp("lane")):
        yield
