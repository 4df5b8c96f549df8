"""The rule on the model repository of Triton."""

from collections.abc import Iterator

from export.contract import Contract
from export.files import read_bounded
from export.serving import repository
from export.serving.ledger import FOLDERS, TRITON
from export.serving.rules.base import LARGEST, UNREADABLE, Finding, Folder
from export.serving.servers.triton import FILE, TYPES, data_type, dims, parse_config


def models(folder: Folder) -> Iterator[Finding]:
    """Every model has a config that Triton can read, and a file in each version it loads."""
    parent = folder.path / FOLDERS[TRITON]
    for model in sorted(parent.iterdir()) if parent.is_dir() else ():
        if not model.is_dir() or model.name.startswith("."):
            continue
        path = (model / FILE).relative_to(folder.path)
        try:
            config = parse_config(read_bounded(model / FILE, LARGEST).decode("utf-8"))
        except FileNotFoundError:
            yield folder.finding(path, "is missing: Triton passes the model over")
            continue
        except UNREADABLE as error:
            yield folder.finding(path, f"is no ModelConfig, so the model does not load: {error}")
            continue
        yield from _model(folder, model, path, config)


def _model(folder: Folder, model, path, config) -> Iterator[Finding]:
    if config.name and config.name != model.name:
        yield folder.finding(path, f"names {config.name!r}, and its folder is {model.name!r}")
    recorded = folder.ledger.find(TRITON, model.name) if folder.ledger else None
    if recorded:
        yield from _tensors(folder, path, config, recorded.versions[recorded.stable].contract)
    versions = repository.versions(model)
    for number in config.version_policy.specific.versions or versions:
        file = model / str(number) / config.default_model_filename
        if not file.exists():
            yield folder.finding(file.relative_to(folder.path), "is missing")
    sizes = list(config.dynamic_batching.preferred_batch_size)
    if sizes and max(sizes) > config.max_batch_size:
        yield folder.finding(
            path, f"prefers batches of {max(sizes)}, over max_batch_size {config.max_batch_size}"
        )
    warm = {warmup.batch_size for warmup in config.model_warmup}
    if cold := [size for size in sizes if size not in warm]:
        yield folder.finding(path, f"leaves batches of {cold} without a warm-up")


def _tensors(folder: Folder, path, config, contract: Contract) -> Iterator[Finding]:
    """The config declares what the model takes and gives, or the model does not load."""
    for entries, tensors, side in (
        (config.input, contract.inputs, "input"),
        (config.output, contract.outputs, "output"),
    ):
        found = {entry.name: (entry.data_type, list(entry.dims)) for entry in entries}
        wanted = {
            tensor.name: (data_type(TYPES.get(tensor.dtype)), dims(tensor)) for tensor in tensors
        }
        for name in sorted(found.keys() | wanted.keys()):
            if name not in found:
                yield folder.finding(path, f"lacks the {side} {name!r}: Triton does not load it")
            elif found[name] != wanted.get(name):
                yield folder.finding(
                    path,
                    f"has an {side} {name!r} that is not the model's: Triton does not load it",
                )
