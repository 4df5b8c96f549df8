"""Artifacts of toys opened as networks, and children whose work is done in this process."""

import functools

import pytest

FORMATS = [
    "savedmodel",
    "onnx",
    pytest.param("tftrt-fp16", marks=pytest.mark.lane),
]


@pytest.fixture(scope="session")
def network(written):
    """A function (toy, format) -> the artifact as a network that can be changed."""
    from export.formats import open_network

    @functools.cache
    def opened(name: str, format_name: str):
        return open_network(format_name, written(name, format_name))

    return opened


@pytest.fixture(scope="session")
def trial(look, reference):
    """A function (toy, format, folder) -> the Trial of the artifact in `folder` as that toy."""
    from export.checks import Expected, Trial
    from export.formats import find_format

    def put(name: str, format_name: str, folder, **changes):
        seen = look(format_name, folder, reference(name).inputs)
        unknown = Expected.unknown("a toy is in no catalog")
        return Trial(
            format=find_format(format_name),
            reference=reference(name),
            observation=seen,
            expected=unknown,
            **changes,
        )

    return put


@pytest.fixture
def here():
    """What is asked of a child process of ours is done in this one."""
    from export.process import in_this_process

    with in_this_process():
        yield


@pytest.fixture(scope="session")
def logits_of():
    """A function (format, folder, images) -> what the artifact gives where parity asks it."""
    from export.formats import find_format
    from export.runtimes import parity_runtime

    def run(format_name: str, folder, images):
        with parity_runtime(find_format(format_name)).open(folder) as session:
            return session.predict({"image": images})["logits"]

    return run
