"""Weight files as PaddlePaddle, torchvision and darknet write them, without those frameworks.

The golden networks' values are drawn from seeds (`golden.json` holds shapes and rules), and the
logits that the frameworks themselves computed for them are kept beside it. `state_dicts.json` lists
the names and shapes of every network's state dictionary, in its order, and torch_headers.zip holds
pickles of torch 2.
"""

import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden" / "weights"
TABLE = json.loads((GOLDEN / "golden.json").read_text())
STATE_DICTS = json.loads((GOLDEN / "state_dicts.json").read_text())
FAMILIES = {"paddle": "paddleclas", "torchvision": "torchvision"}
TITLES = {"squeezenet1_0": "SqueezeNet1_0", "vgg11": "VGG11"}
PADDLE_NAMES = "StructuredToParameterName@@"


def golden_tensors(net: str, flavour: str) -> dict[str, np.ndarray]:
    """The tensors of a golden network, in the framework's names, layouts and order."""
    family, title = _golden(net, flavour)
    rows = TABLE[family][title]["tensors"]
    return {name: _draw(f"{family}/{title}", name, shape, rule) for name, shape, rule, *_ in rows}


def golden_images(net: str, flavour: str) -> np.ndarray:
    """What the framework was given: (2, 224, 224, 3) float32, here in NHWC."""
    random = _random("{}/{}".format(*_golden(net, flavour)), "__input__")
    white, coarse = random.standard_normal((2, 3, 224, 224)), random.standard_normal((2, 3, 8, 8))
    coarse = np.repeat(np.repeat(coarse, 28, axis=2), 28, axis=3)
    return (np.sqrt(0.5) * (white + coarse)).astype(np.float32).transpose(0, 2, 3, 1)


def golden_logits(net: str, flavour: str) -> np.ndarray:
    """What the framework answered: (2, 1000) float32."""
    return np.load(GOLDEN / f"{net}.{flavour}.logits.npy")


def random_tensors(net: str, flavour: str, *, grid: int = 7, seed: int = 0) -> dict:
    """Random tensors of a state dictionary, He-scaled; `grid` is what its first dense layer sees.

    Batch-norm variances reach down to 1e-6, where an epsilon in the wrong place shows.
    """
    random, tensors = np.random.default_rng(seed), {}
    published = {"alexnet": 6, "vgg11": 7, "vgg13": 7, "vgg16": 7, "vgg19": 7}.get(net)
    for name, shape in STATE_DICTS[flavour][net]:
        shape = [n * grid**2 // published**2 if n in (9216, 25088) else n for n in shape]
        if name.endswith("_variance"):
            values = 10 ** random.uniform(-6, 0, shape)
        elif len(shape) == 1:
            values = 0.1 * random.standard_normal(shape, np.float32)
        else:
            fan_in = shape[0] if flavour == "paddle" and len(shape) == 2 else np.prod(shape[1:])
            values = np.sqrt(2 / fan_in) * random.standard_normal(shape, np.float32)
        tensors[name] = np.asarray(values, np.float32)
    for name in tensors:
        if name.endswith("._variance"):  # scaled so that a layer's output neither fades nor grows
            tensors[name.replace("_variance", "weight")] = np.sqrt(tensors[name]) / 2
    return tensors


def write_pdparams(path, tensors: dict[str, np.ndarray], protocol: int = 4) -> Path:
    """What paddle.save(state_dict) writes; protocol 2 as on numpy 1, which old Paddle ran on."""
    state = {**tensors, PADDLE_NAMES: {name: f"{name}_0" for name in tensors}}
    data = pickle.dumps(state, protocol=protocol)
    if protocol == 2:
        data = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1)
    Path(path).write_bytes(data)
    return Path(path)


def write_pth(path, tensors: dict[str, np.ndarray], *, legacy: bool = False) -> Path:
    """What torch.save(state_dict) writes, a zip or as before torch 1.6, for any tensors."""
    state = _torch_pickle(tensors)
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", state)
            for key, array in enumerate(tensors.values()):
                with archive.open(f"archive/data/{key}", "w", force_zip64=True) as member:
                    member.write(memoryview(np.ascontiguousarray(array)).cast("B"))
        return Path(path)
    heads = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    with Path(path).open("wb") as file:
        file.write(b"".join(pickle.dumps(head, protocol=2) for head in heads) + state)
        file.write(pickle.dumps([str(key) for key in range(len(tensors))], protocol=2))
        for array in tensors.values():
            file.write(struct.pack("<q", array.size))
            file.write(memoryview(np.ascontiguousarray(array)).cast("B"))
    return Path(path)


def _torch_pickle(tensors: dict[str, np.ndarray]) -> bytes:
    """The pickle of an OrderedDict of float tensors, spelled out: its classes are torch's."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(values) -> bytes:
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    parts = [b"\x80\x02ccollections\nOrderedDict\n)R("]
    for key, (name, array) in enumerate(tensors.items()):
        strides = [int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim)]
        parts += [
            text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage"),
            b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu"),
            b"J" + struct.pack("<i", array.size) + b"tQK\x00",
            numbers(array.shape) + numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR",
        ]
    return b"".join(parts) + b"u."


def write_golden_pth(path, tensors: dict[str, np.ndarray]) -> Path:
    """The zip that torch.save(state_dict) writes for squeezenet1_0."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("squeezenet1_0/data.pkl", _header("squeezenet1_0/data.pkl"))
        archive.writestr("squeezenet1_0/byteorder", b"little")
        for key, array in enumerate(tensors.values()):
            archive.writestr(f"squeezenet1_0/data/{key}", array.tobytes())
        archive.writestr("squeezenet1_0/version", b"3\n")
    return Path(path)


def write_golden_legacy_pth(path, tensors: dict[str, np.ndarray]) -> Path:
    """What torch wrote before 1.6 for squeezenet1_0: pickles, then lengths and values."""
    arrays, parts = list(tensors.values()), [_header("squeezenet1_0.legacy")]
    for index in json.loads(_header("squeezenet1_0.legacy.json")):
        parts += [struct.pack("<q", arrays[index].size), arrays[index].tobytes()]
    Path(path).write_bytes(b"".join(parts))
    return Path(path)


def write_darknet(path, tensors: dict[str, np.ndarray], *, minor: int = 2, cut: bool = False):
    """pjreddie's file of paddle's tensors of darknet53; `cut` leaves the classifier out."""
    header = struct.pack("<3i", 0, minor, 0) + struct.pack("<q" if minor >= 2 else "<i", 32)
    parts = [header]
    for name, kernel in tensors.items():
        if name.endswith("._conv.weight"):
            norm = name.removesuffix("_conv.weight") + "_bn"
            order = (".bias", ".weight", "._mean", "._variance")
            parts += [tensors[norm + part].tobytes() for part in order]
            parts.append(kernel.tobytes())
    if not cut:
        parts += [tensors["_out.bias"].tobytes(), tensors["_out.weight"].T.tobytes()]
    Path(path).write_bytes(b"".join(parts))
    return Path(path)


def _golden(net: str, flavour: str) -> tuple[str, str]:
    return FAMILIES[flavour], net if flavour == "torchvision" else TITLES[net]


def _header(member: str) -> bytes:
    with zipfile.ZipFile(GOLDEN / "torch_headers.zip") as archive:
        return archive.read(member)


def _random(*keys) -> np.random.RandomState:
    place = "/".join((keys[0], str(TABLE["seed"]), *keys[1:]))
    return np.random.RandomState(zlib.crc32(place.encode()))


def _draw(net: str, name: str, shape, rule: str) -> np.ndarray:
    """One tensor; the rules are `normal:STD` and `he:AXES:GAIN`, centred but in a first layer."""
    kind, *rest = rule.split(":")
    values = _random(net, name).standard_normal(shape)
    if kind == "normal":
        return (float(rest[0]) * values).astype(np.float32)
    axes, gain = tuple(map(int, rest[0].split(","))), float(rest[1])
    if "scaled" in rest:
        scale = _random(net, name.rsplit(".", 1)[0] + ".scale").uniform(-1.5, 0.0)
        gain *= float(10.0**scale)
    if not (len(shape) == 4 and shape[1] == 3):
        values -= values.mean(axis=axes, keepdims=True)
    values *= gain * np.sqrt(2.0 / int(np.prod([shape[axis] for axis in axes])))
    return values.astype(np.float32)
