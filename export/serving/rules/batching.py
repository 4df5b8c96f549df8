"""Rules on batch sizes: of the server, and of each version with the engine in it."""

from collections.abc import Iterator

from export.serving.formats import has_engine
from export.serving.protos import configs
from export.serving.rules.base import Finding, Folder
from export.serving.servers.configs import PER_VERSION

FILE = "batching_parameters.txt"


def server(folder: Folder) -> Iterator[Finding]:
    """The server's own file is sound, and no model gets a batch that it is not made for."""
    parameters = folder.parse(FILE, configs().BatchingParameters)
    if parameters is None:
        return
    yield from _sound(folder, FILE, parameters)
    for model, number, _ in folder.loaded():
        recorded = folder.recorded(model.name, number)
        odd = set(parameters.allowed_batch_sizes) - set(recorded.batch_sizes if recorded else ())
        if recorded and odd:
            yield folder.finding(
                FILE,
                f"allows batches of {sorted(odd)}, and {model.name} version {number} is made for "
                f"{list(recorded.batch_sizes)}: {_cost(recorded)}",
            )


def versions(folder: Folder) -> Iterator[Finding]:
    """The file of each version states exactly the sizes that its engine has."""
    for model, number, version in folder.loaded():
        name = (version / PER_VERSION).relative_to(folder.path)
        parameters = folder.parse(name, configs().BatchingParameters)
        if parameters is None:
            if not (version / PER_VERSION).exists():
                yield folder.finding(
                    name,
                    "is missing: with --enable_per_model_batching_parameters requests to this "
                    "version are not batched",
                )
            continue
        yield from _sound(folder, name, parameters)
        recorded = folder.recorded(model.name, number)
        sizes = sorted(parameters.allowed_batch_sizes)
        if recorded and sizes != list(recorded.batch_sizes):
            yield folder.finding(
                name,
                f"allows batches of {sizes}, and the version is made for "
                f"{list(recorded.batch_sizes)}: {_cost(recorded)}",
            )


def _sound(folder: Folder, name, parameters) -> Iterator[Finding]:
    sizes = list(parameters.allowed_batch_sizes)
    largest = parameters.max_batch_size.value if parameters.HasField("max_batch_size") else None
    if not sizes:
        yield folder.finding(name, "has no allowed_batch_sizes: every size from 1 on is formed")
        return
    if sizes != sorted(set(sizes)) or sizes[0] < 1:
        yield folder.finding(
            name, f"has allowed_batch_sizes {sizes}, which should ascend, from 1 on"
        )
    splits = parameters.enable_large_batch_splitting.value  # into batches of the last size
    if largest != sizes[-1] and not (splits and largest and largest > sizes[-1]):
        yield folder.finding(
            name,
            f"has max_batch_size {largest}, which must equal the last of allowed_batch_sizes, "
            f"{sizes[-1]}: the model does not load",
        )
    if parameters.HasField("num_batch_threads") and parameters.num_batch_threads.value < 1:
        yield folder.finding(name, "has num_batch_threads below 1: the server does not start")


def _cost(version) -> str:
    if has_engine(version.format):
        return "another size builds another engine, 100 s or more, in the middle of a request"
    return "another size is run without a warm-up"
