"""What others have published of the networks: accuracy by flavour, and latencies on two GPUs.

Top-1 and top-5 are fractions, on the validation pictures of ImageNet-1k. Latencies are of
PaddleClas' page "Other networks" (at d178931), with the TensorRT of its day. What that page prints
of accuracy stands in the catalog.
"""

from dataclasses import dataclass

from keras_nets.catalog import NETS


@dataclass(frozen=True)
class Accuracy:
    top1: float
    top5: float
    source: str


@dataclass(frozen=True)
class Latency:
    """Milliseconds a batch, as the page prints them."""

    gpu: str
    precision: str  # "fp32" or "fp16"
    batch: int
    ms: float


_PAGE = "PaddleClas d178931"
_TORCH = "torchvision 0.28, the weights IMAGENET1K_V1"

# (network, flavour) -> what was published of that flavour.
ACCURACY: dict[tuple[str, str], Accuracy] = {
    **{
        (net.name, "paddle"): Accuracy(net.page.top1, net.page.top5, _PAGE) for net in NETS.values()
    },
    ("alexnet", "torchvision"): Accuracy(0.56522, 0.79066, _TORCH),
    ("squeezenet1_0", "torchvision"): Accuracy(0.58092, 0.80420, _TORCH),
    ("squeezenet1_1", "torchvision"): Accuracy(0.58178, 0.80624, _TORCH),
    ("vgg11", "torchvision"): Accuracy(0.69020, 0.88628, _TORCH),
    ("vgg13", "torchvision"): Accuracy(0.69928, 0.89246, _TORCH),
    ("vgg16", "torchvision"): Accuracy(0.71592, 0.90382, _TORCH),
    ("vgg19", "torchvision"): Accuracy(0.72376, 0.90876, _TORCH),
    ("darknet53", "darknet"): Accuracy(
        0.772, 0.938, "the authors' figures, as PaddleClas d178931 quotes them"
    ),
}

# torchvision's own count, G multiply-accumulates, as the metadata of its weights states it.
TORCHVISION_GMACS = {
    "alexnet": 0.714,
    "squeezenet1_0": 0.819,
    "squeezenet1_1": 0.349,
    "vgg11": 7.609,
    "vgg13": 11.308,
    "vgg16": 15.470,
    "vgg19": 19.632,
}

# FP32 at batch 1 on a V100; FP16 and then FP32 at batch 1, 4 and 8 on a T4.
_PAGE_MS = {
    "alexnet": (1.176, 1.06447, 1.70435, 2.38402, 1.44993, 2.46696, 3.72085),
    "squeezenet1_0": (0.860, 0.97162, 2.06719, 3.67499, 0.96736, 2.53221, 4.54047),
    "squeezenet1_1": (0.763, 0.81378, 1.62919, 2.68044, 0.76032, 1.877, 3.15298),
    "vgg11": (1.867, 2.24408, 4.67794, 7.6568, 3.90412, 9.51147, 17.14168),
    "vgg13": (2.148, 2.58589, 5.82708, 10.03591, 4.64684, 12.61558, 23.70015),
    "vgg16": (2.616, 3.13237, 7.19257, 12.50913, 5.61769, 16.40064, 32.03939),
    "vgg19": (3.076, 3.69987, 8.59168, 15.07866, 6.65221, 20.4334, 41.55902),
    "darknet53": (3.139, 3.18101, 5.88419, 10.14964, 4.10829, 12.1714, 22.15266),
}
_PAGE_COLUMNS = (
    ("V100", "fp32", 1),
    *(("T4", precision, batch) for precision in ("fp16", "fp32") for batch in (1, 4, 8)),
)
LATENCIES: dict[str, tuple[Latency, ...]] = {
    name: tuple(Latency(*column, ms) for column, ms in zip(_PAGE_COLUMNS, row, strict=True))
    for name, row in _PAGE_MS.items()
}
