"""The catalog: what each network is, as data that needs no TensorFlow.

Counts are exact and tested against the graphs. `Page` is what PaddleClas prints for the network
("Other networks", model code at d178931); its parameter column counts convolution and dense
weights plus batch-norm gamma and beta, truncated, and its FLOPs are close to
2 x convolution MACs + dense MACs.

A flavour is the source of a network's details: `paddle` is PaddleClas d178931, `torchvision` is
torchvision 0.28, and `darknet` is darknet53.cfg of pjreddie/darknet.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from keras_nets.quiet import import_quietly

MOST_CLASSES = 100_000  # bounds what a file can make a new model take; ImageNet-21k has 21,841


@dataclass(frozen=True)
class Counts:
    """Exact numbers of parameters, by kind."""

    weights: int  # convolution and dense kernels
    biases: int  # of convolutions and dense layers
    scales: int = 0  # batch-norm gamma and beta
    statistics: int = 0  # batch-norm moving mean and variance, not trainable

    @property
    def trainable(self) -> int:
        return self.weights + self.biases + self.scales

    @property
    def total(self) -> int:
        return self.trainable + self.statistics

    @property
    def page(self) -> int:
        """The convention behind the page's column: no biases, no moving statistics."""
        return self.weights + self.scales


@dataclass(frozen=True)
class Expectation:
    """What is known of a model's parameters: it is kept as `model.expected_counts`."""

    counts: Counts | None  # None: the catalog has none for these options
    source: str  # where the counts are from
    weights: tuple  # of the model as it was built: path, shape, whether it is trained

    def holds_for(self, model) -> bool:
        """Return whether `model` is as it was built: the same weights, the same of them trained."""
        return self.weights == _weights_of(model)


def _weights_of(model) -> tuple:
    return tuple((v.path, tuple(v.shape), v.trainable) for v in model.weights)


@dataclass(frozen=True)
class Macs:
    """Exact multiply-accumulates of one image at the network's own size."""

    conv: int
    dense: int


@dataclass(frozen=True)
class Page:
    """The row that PaddleClas prints for a network."""

    top1: float
    top5: float
    flops_g: float
    params_m: float


@dataclass(frozen=True)
class Flatten:
    """The grid a network flattens before its first dense layer, whose size depends on the image."""

    channels: int
    units: int  # of the dense layer that follows
    grid: Callable[[int], int]  # side of the image -> side of the grid


@dataclass(frozen=True, kw_only=True)
class Net:
    """A network: the builder called `name` in the module `keras_nets.<family>`.

    `counts` and `macs` hold one entry a flavour, the default flavour first, at 1000 classes and
    at `image`.
    """

    name: str
    title: str  # how papers spell it
    family: str
    paper: str
    counts: dict[str, Counts]
    macs: dict[str, Macs]
    page: Page
    features: int  # inputs of the classifier
    seed_gain: float = 1.0  # of seeded classifier kernels: gives logits a spread of about 1
    flatten: Flatten | None = None
    image: tuple[int, int, int] = (224, 224, 3)  # height, width, channels
    # Of each stage the channels, and how many convolutions (VGG) or residual blocks (DarkNet).
    stages: tuple[tuple[int, int], ...] = ()
    smallest: dict[str, int]  # pixels a side, by flavour, below which a layer would be empty

    @property
    def flavours(self) -> tuple[str, ...]:
        return tuple(self.counts)

    def build(self, **options):
        """Import the family, and with it Keras, and return the model.

        Options: `classes`, `image` (height, width, channels), `flavour`. What the catalog knows of
        the model's parameters goes with it, as an `Expectation` in `model.expected_counts`.
        """
        model = getattr(import_quietly(f"keras_nets.{self.family}"), self.name)(**options)
        flavour = options.get("flavour") or self.flavours[0]
        classes, image = model.output_shape[-1], tuple(model.input_shape[1:])
        counts = self.expected_counts(flavour, classes, image)
        source = f"{self.paper}, flavour {flavour}"
        model.expected_counts = Expectation(counts, source, _weights_of(model))
        return model

    def expected_counts(
        self,
        flavour: str = "paddle",
        classes: int = 1000,
        image: tuple[int, int, int] | None = None,
    ) -> Counts | None:
        """Return exact counts at these options; None if the image has other channels."""
        counts = self.counts[flavour]
        height, width, channels = image or self.image
        if channels != self.image[2]:
            return None
        weights = counts.weights + self.features * (classes - 1000)
        if self.flatten:
            grid = self.flatten.grid
            extra = grid(height) * grid(width) - grid(self.image[0]) * grid(self.image[1])
            weights += extra * self.flatten.channels * self.flatten.units
        return Counts(weights, counts.biases + classes - 1000, counts.scales, counts.statistics)


def _halve(side: int) -> int:
    """Return the grid that a 3x3 pool with stride 2 leaves, rounding down."""
    return (side - 3) // 2 + 1


def _alexnet_grid(side: int) -> int:
    return _halve(_halve(_halve((side + 4 - 11) // 4 + 1)))


_ALEXNET = Counts(61_090_496, 10_344)
_ALEXNET_MACS = Macs(655_566_528, 58_621_952)
_VGG_PAPER = "Simonyan and Zisserman 2015, arXiv:1409.1556"
_VGG_WIDTHS = (64, 128, 256, 512, 512)
_VGG_FLATTEN = Flatten(512, 4096, lambda side: side // 32)
_DARKNET = Counts(41_573_216, 1_000, 35_712, 35_712)
_DARKNET_MACS = Macs(9_284_091_904, 1_024_000)


def _vgg(
    name: str,
    depths: tuple[int, ...],
    weights: int,
    conv_macs: int,
    seed_gain: float,
    page: Page,
) -> Net:
    macs, stages = Macs(conv_macs, 123_633_664), tuple(zip(_VGG_WIDTHS, depths, strict=True))
    conv_biases = sum(width * depth for width, depth in stages)
    return Net(
        name=name,
        title=name.upper(),
        family="vgg",
        paper=_VGG_PAPER,
        counts={
            "paddle": Counts(weights, 9_192),
            "torchvision": Counts(weights, 9_192 + conv_biases),
        },
        macs={"paddle": macs, "torchvision": macs},
        page=page,
        features=4096,
        stages=stages,
        seed_gain=seed_gain,
        flatten=_VGG_FLATTEN,
        smallest={"paddle": 32, "torchvision": 32},
    )


ALL = (
    Net(
        name="alexnet",
        title="AlexNet",
        family="alexnet",
        paper="Krizhevsky 2014, arXiv:1404.5997",
        counts={"paddle": _ALEXNET, "torchvision": _ALEXNET},
        macs={"paddle": _ALEXNET_MACS, "torchvision": _ALEXNET_MACS},
        page=Page(0.567, 0.792, 1.370, 61.090),
        features=4096,
        seed_gain=1.4,
        flatten=Flatten(256, 4096, _alexnet_grid),
        smallest={"paddle": 63, "torchvision": 63},
    ),
    Net(
        name="squeezenet1_0",
        title="SqueezeNet1_0",
        family="squeezenet",
        paper="Iandola et al. 2016, arXiv:1602.07360",
        counts={"paddle": Counts(1_244_448, 3_976), "torchvision": Counts(1_244_448, 3_976)},
        macs={"paddle": Macs(777_221_152, 0), "torchvision": Macs(818_924_576, 0)},
        page=Page(0.596, 0.817, 1.550, 1.240),
        features=512,
        seed_gain=16.0,
        smallest={"paddle": 35, "torchvision": 21},
    ),
    Net(
        name="squeezenet1_1",
        title="SqueezeNet1_1",
        family="squeezenet",
        paper="Iandola et al. 2016, arXiv:1602.07360",
        counts={"paddle": Counts(1_231_552, 3_944), "torchvision": Counts(1_231_552, 3_944)},
        macs={"paddle": Macs(349_537_280, 0), "torchvision": Macs(349_151_936, 0)},
        page=Page(0.601, 0.819, 0.690, 1.230),
        features=512,
        seed_gain=22.0,
        smallest={"paddle": 29, "torchvision": 17},
    ),
    _vgg(
        "vgg11",
        (1, 1, 2, 2, 2),
        132_851_392,
        7_485_456_384,
        1.8,
        Page(0.693, 0.891, 15.090, 132.850),
    ),
    _vgg(
        "vgg13",
        (2, 2, 2, 2, 2),
        133_035_712,
        11_184_832_512,
        2.6,
        Page(0.700, 0.894, 22.480, 133.030),
    ),
    _vgg(
        "vgg16",
        (2, 2, 3, 3, 3),
        138_344_128,
        15_346_630_656,
        4.5,
        Page(0.720, 0.907, 30.810, 138.340),
    ),
    _vgg(
        "vgg19",
        (2, 2, 4, 4, 4),
        143_652_544,
        19_508_428_800,
        6.5,
        Page(0.726, 0.909, 39.130, 143.650),
    ),
    Net(
        name="darknet53",
        title="DarkNet53",
        family="darknet",
        paper="Redmon and Farhadi 2018, arXiv:1804.02767",
        counts={"paddle": _DARKNET, "darknet": _DARKNET},
        macs={"paddle": _DARKNET_MACS, "darknet": _DARKNET_MACS},
        page=Page(0.780, 0.941, 18.580, 41.600),
        features=1024,
        seed_gain=0.6,
        stages=((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)),
        image=(256, 256, 3),
        smallest={"paddle": 1, "darknet": 1},  # padding keeps every grid
    ),
)
NETS = {net.name: net for net in ALL}


def find_net(name: str) -> Net:
    """Return the network called `name`.

    Raises ValueError with the known names, and one that may have been meant, for any other.
    """
    if name in NETS:
        return NETS[name]
    near = difflib.get_close_matches(name.casefold(), NETS, cutoff=0.75)
    meant = f"; did you mean {' or '.join(near)}?" if near else ";"
    raise ValueError(f"no network is called {name!r}{meant} the catalog has {', '.join(NETS)}")
