"""What an export is asked for, beside the model and the formats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export.calibration.images import Calibration
from export.formats.base import Classify, Order
from export.gate.examine import GateOptions
from export.results import BATCH_SIZES, MIN_AGREEMENT


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model and its weights came from: it goes into the report as it is."""

    weights_source: str  # "seeded:0", or a file
    weights_file_sha256: str
    weights_note: str
    flavour: str
    command: tuple[str, ...]
    model_source: Mapping  # how to build the model again; empty where only Python knows
    compression: Mapping  # what the compression.json beside the model says; empty without one


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a caller may ask for, in one row; `origin` and `gate` are parts of it."""

    weights_source: str = "given"  # "seeded:0", or a file
    flavour: str = ""
    batch_sizes: tuple[int, ...] = BATCH_SIZES  # of a server; TF-TRT keeps an engine each
    seed: int = 0  # of the probe images
    command: tuple[str, ...] = ()
    wish: GateOptions = GateOptions()
    labels: tuple[str, ...] = ()  # of the classes: adds the signature `classify` where it can be
    recipe: object = None  # how `classify` makes images of pictures; see export/signatures
    weights_file_sha256: str = ""  # of the file that the weights were read from
    weights_note: str = ""  # what of that file was left aside
    calibration: Calibration | None = None  # what ranges of activations are taken from
    min_agreement: float = MIN_AGREEMENT  # on the images that a calibration holds out
    keep_fp32: tuple[str, ...] = ()  # names of layers that formats of fewer bits leave as they are
    model_source: Mapping = field(default_factory=dict)  # kind, source, arguments, sha256
    compression: Mapping = field(default_factory=dict)  # see export/compression/content.py
    probes: bool = True  # compare on seeded inputs too, beside those that are given
    inputs: Mapping = field(default_factory=dict)  # of those given: source, sha256 and count
    preprocess: Mapping = field(default_factory=dict)  # how pictures become inputs, as in a report
    name: str = ""  # of the folder, and of the model in the report; the model's own if empty
    jobs: int | None = None  # processes that open artifacts at once; None: as the machine allows

    def __post_init__(self):
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"at least 1 artifact is looked at at once. Received: {self.jobs}")
        if self.labels and self.recipe is None:
            raise ValueError("labels need a recipe for pictures beside them")
        if not self.batch_sizes or min(self.batch_sizes) < 1:
            raise ValueError(
                f"batch sizes are whole numbers from 1 up. Received: {self.batch_sizes}"
            )

    @property
    def origin(self) -> Origin:
        """What goes into the report as it is."""
        return Origin(**{name: getattr(self, name) for name in Origin.__dataclass_fields__})

    @property
    def gate(self) -> GateOptions:
        """What is asked of the gate beyond its checks."""
        return self.wish

    def order(self, skeleton, folder: Path, scratch: Path) -> Order:
        """What a format is to write of a traced network, and where."""
        return Order(
            skeleton=skeleton,
            folder=folder,
            scratch=scratch,
            classify=Classify(self.labels, self.recipe) if self.labels else None,
            engines=len(self.batch_sizes),
        )
