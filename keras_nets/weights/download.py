"""Fetches the published ImageNet weights once, into the user's cache, and checks them.

torchvision's file names hold the first digits of their sha256. PaddleClas and darknet publish
none, so the sha256 of the first download is kept beside the file, and what differs from it later is
an error.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

from keras_nets.catalog import Net, find_net
from keras_nets.errors import WeightsError
from keras_nets.weights.identify import recognise, sha256_of
from keras_nets.weights.readers import open_weights
from keras_nets.weights.transfer import Progress, TransferError, transfer
from keras_nets.weights.whole import move

BASE_URLS = {
    "paddle": "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/",
    "torchvision": "https://download.pytorch.org/models/",
    "darknet": "https://pjreddie.com/media/files/",
}
# Of torchvision's, the default weights (IMAGENET1K_V1), which the catalog's accuracies are of.
FILES = {
    "paddle": {
        "alexnet": "AlexNet_pretrained.pdparams",
        "squeezenet1_0": "SqueezeNet1_0_pretrained.pdparams",
        "squeezenet1_1": "SqueezeNet1_1_pretrained.pdparams",
        "vgg11": "legendary_models/VGG11_pretrained.pdparams",
        "vgg13": "legendary_models/VGG13_pretrained.pdparams",
        "vgg16": "legendary_models/VGG16_pretrained.pdparams",
        "vgg19": "legendary_models/VGG19_pretrained.pdparams",
        "darknet53": "DarkNet53_pretrained.pdparams",
    },
    "torchvision": {
        "alexnet": "alexnet-owt-7be5be79.pth",
        "squeezenet1_0": "squeezenet1_0-b66bff10.pth",
        "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth",
        "vgg11": "vgg11-8a719046.pth",
        "vgg13": "vgg13-19584684.pth",
        "vgg16": "vgg16-397923af.pth",
        "vgg19": "vgg19-dcbb9e9d.pth",
    },
    "darknet": {"darknet53": "darknet53.weights"},
}
LOCK_PATIENCE = 3600.0  # seconds for another process to finish the same download


@dataclass(frozen=True)
class _Published:
    """A published file and where it goes. `prefix` starts its sha256, or is empty."""

    net: Net
    url: str
    path: Path
    prefix: str

    def beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)


def resolve_weights(net: Net | str, spec: str, progress: Progress | None = None, **options) -> Path:
    """Return the file that a `--weights` argument means: a path, `imagenet` or `imagenet:SOURCE`.

    `options` go to `fetch_imagenet`. Raises WeightsError if there is no such file.
    """
    net = find_net(net) if isinstance(net, str) else net
    if spec == "imagenet" or spec.startswith("imagenet:"):
        return fetch_imagenet(net, spec.partition(":")[2] or "paddle", progress=progress, **options)
    path = Path(spec)
    if not path.exists():
        raise WeightsError(
            f"there is no weights file at {spec!r}; name one, or {', '.join(_spellings(net))}"
        )
    return path


def fetch_imagenet(
    net: Net | str,
    source: str = "paddle",
    *,
    progress: Progress | None = None,
    base_urls: Mapping[str, str] | None = None,
) -> Path:
    """Return the published ImageNet weights of `net`, fetched unless the cache has them.

    `base_urls` replaces `BASE_URLS`, for a mirror. A download that broke off is taken up where it
    stopped. Raises WeightsError if the file cannot be had or is not the published one.
    """
    net = find_net(net) if isinstance(net, str) else net
    file = _published(net, source, {**BASE_URLS, **(base_urls or {})})
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.beside(".lock"), timeout=LOCK_PATIENCE):
            if file.path.exists():
                _clear(file)
                _check_kept(file)
            else:
                _fetch(file, progress or (lambda done, total: None))
    except OSError as error:  # filelock's Timeout is one
        reason = error.strerror or str(error)
        raise WeightsError(f"{file.path} cannot be written: {reason}") from error
    return file.path


def cache_folder() -> Path:
    """Return where downloads go: `KERAS_NETS_CACHE`, or this user's cache folder."""
    root = os.environ.get("KERAS_NETS_CACHE") or user_cache_dir("keras-nets")
    return Path(root) / "weights"


def _spellings(net: Net) -> list[str]:
    """Return the values of `--weights` that name published files of a network."""
    sources = [source for source, files in FILES.items() if net.name in files]
    return ["imagenet" if source == "paddle" else f"imagenet:{source}" for source in sources]


def _published(net: Net, source: str, base_urls: Mapping[str, str]) -> _Published:
    if net.name not in FILES.get(source, {}):
        raise WeightsError(
            f"{source!r} publishes no weights of {net.name}; known are {', '.join(_spellings(net))}"
        )
    name = FILES[source][net.name]
    prefix = Path(name).stem.rsplit("-", 1)[-1] if source == "torchvision" else ""
    return _Published(net, base_urls[source] + name, cache_folder() / Path(name).name, prefix)


def _clear(file: _Published) -> None:
    """Remove unfinished files, which a killed process may have left."""
    for ending in (".partial", ".partial.tag", ".sha256.partial"):
        file.beside(ending).unlink(missing_ok=True)


def _check_kept(file: _Published) -> None:
    """Raise unless the cached file is the one that was fetched, or was put there by hand."""
    found = sha256_of(file.path)
    kept = _kept_digest(file)
    if not found.startswith(file.prefix) or (kept and found != kept):
        raise WeightsError(
            f"{file.path} has sha256 {found} where {kept or file.prefix + '...'} is right;"
            " delete it to fetch it again"
        )
    if not kept:
        _check_network(file.net, file.path)
        _keep_digest(file, found)


def _check_network(net: Net, path: Path) -> None:
    """Raise unless `path` holds weights of `net`, and as many as were published.

    Names are not enough: SqueezeNet 1.0 and 1.1 share theirs, and a hash is kept for good.
    """
    with open_weights(path) as file:
        identity, names = recognise(net, file)
        found = sum(math.prod(file.tensors[name].shape) for name in names.values())
    expected = net.counts[identity.flavour].total
    if found != expected:
        raise WeightsError(f"{path} holds {found:_} values where {net.name} has {expected:_}")


def _kept_digest(file: _Published) -> str | None:
    kept = file.beside(".sha256")
    if not kept.exists():
        return None
    digest = kept.read_bytes()[:64].decode("ascii", "replace")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise WeightsError(f"{kept} holds no sha256; delete it to trust {file.path.name} anew")
    return digest


def _keep_digest(file: _Published, digest: str) -> None:
    """Write a file that `sha256sum --check` reads."""
    unfinished = file.beside(".sha256.partial")
    unfinished.write_text(f"{digest}  {file.path.name}\n")
    move(unfinished, file.beside(".sha256"))


def _fetch(file: _Published, progress: Progress) -> None:
    """Download, check, and move into place."""
    partial = file.beside(".partial")
    try:
        transfer(file.url, partial, progress)
    except TransferError as error:
        raise WeightsError(
            f"{file.url} cannot be fetched ({error}); fetch it elsewhere and put it at {file.path}"
        ) from error
    found = sha256_of(partial)
    kept = _kept_digest(file)
    try:
        if not found.startswith(file.prefix):
            raise WeightsError(
                f"{file.url} gave a file with sha256 {found} where {file.prefix}... is"
                " published; it is not the published file"
            )
        if kept and found != kept:
            raise WeightsError(
                f"{file.url} gave a file with sha256 {found} where the first download had"
                f" {kept}; if the change is meant, delete {file.beside('.sha256')}"
            )
        _check_network(file.net, partial)
    except WeightsError as error:
        partial.unlink()
        if file.url in str(error):
            raise
        raise WeightsError(f"{file.url} gave no weights of {file.net.name}: {error}") from error
    _keep_digest(file, found)
    move(partial, file.path)
    _clear(file)
