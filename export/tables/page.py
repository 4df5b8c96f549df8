"""docs/models.md: the three tables, and what each column counts."""

from dataclasses import asdict, dataclass, replace

from export.html.values import mapping, text
from export.tables import artifacts, networks, ratios
from export.tables.artifacts import ArtifactRow
from export.tables.markdown import markdown
from export.tables.networks import NetworkRow
from export.tables.speed import speed_table

INTRODUCTION = """\
# Networks, artifacts and speed

Written by

    {command}

The same figures, unrounded, are in [{name}.csv]({name}.csv) and [{name}.json]({name}.json).

## A. The networks

Counted from the graphs that this toolkit builds, each at its own image size and 1000 classes.

- *GMACs* are multiply-accumulates of convolutions and products of matrices, as torchvision and timm
  count them; torchvision's own figure stands beside. *Activations* are the numbers that these give,
  as in timm.
- The page (PaddleClas, "Other networks") mixes conventions. Its *parameters* are kernels and
  batch-norm scales, without biases and moving statistics, cut and not rounded after two digits. Its
  *FLOPs* come close to 2 x convolution + 1 x dense MACs, which stands beside them; no documented
  tool gives them to the last digit.
- *top-1* and *top-5* are as published for the flavour.

![Published top-1 against multiply-accumulates]({name}.svg)

"""
SPEED = """\
## C. Speed

Medians of a batch in milliseconds, by `tools/benchmark.py` on the machines named. Columns marked
"published" are of the page and of the TensorRT of its day, on an NVIDIA V100 and T4. A figure with
a question mark is in doubt, because rounds disagreed or the machine had other work; {name}.json
says why. Another machine's table is made by

    python tools/export.py --model vgg13 --format savedmodel --format onnx --out exports
    python tools/benchmark.py exports --seconds 1 --stock --loop --out speed.jsonl --resume
    python tools/model_table.py --artifacts exports --speed speed.jsonl

{machines}
"""
RATIOS = """\

### In the same rounds

How many times as long one takes as the other: the middle of the rounds, and each of them.

"""
ARTIFACTS = """\
## B. The artifacts

Of each: the largest error of a logit and what is allowed, in standard deviations of the model's
logits, top-1 choices that agree with the model's on the images compared, planted bugs that the
checks caught, and what making and verifying it took over the whole process tree.

"""
NOTHING = "None were given to the command that wrote this page.\n"


@dataclass(frozen=True, kw_only=True)
class Tables:
    networks: list[NetworkRow]
    artifacts: list[ArtifactRow]
    speed: list[dict]
    published: dict[str, dict[str, float]]  # network -> column -> milliseconds

    def as_records(self) -> dict:
        """Everything as JSON has it: numbers as they are."""
        return {
            "schema": 1,
            "networks": [asdict(row) for row in self.networks],
            "artifacts": [asdict(row) for row in self.timed()],
            "speed": self.speed,
            "published_ms": self.published,
        }

    def timed(self) -> list[ArtifactRow]:
        """The artifacts with the load time and first call that a benchmark found, where one did."""
        found = {}
        for record in self.speed:
            found.setdefault((record["model"], record.get("format")), record)
        return [
            replace(row, load_s=record.get("load_s"), first_ms=record.get("first_ms"))
            if (record := found.get((row.model, row.format)))
            else row
            for row in self.artifacts
        ]


def page(tables: Tables, command: tuple[str, ...], name: str) -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION.format(command=" ".join(command), name=name)]
    rows = [networks.cells(row) for row in tables.networks]
    parts += [markdown(networks.HEADER, networks.ALIGN, rows), "\n", _sources(tables), "\n"]
    rows = [artifacts.cells(row) for row in tables.timed()]
    parts += [ARTIFACTS, markdown(artifacts.HEADER, artifacts.ALIGN, rows) if rows else NOTHING]
    if lines := artifacts.notes(tables.artifacts):
        parts += ["\n", *(f"- {line}\n" for line in lines)]
    speed = SPEED.format(name=name, machines=_machines(tables.speed))
    parts += ["\n", speed, markdown(*speed_table(tables.speed, tables.published))]
    if compared := ratios.ratios(tables.speed):
        table = markdown(ratios.HEADER, ratios.ALIGN, map(ratios.cells, compared))
        parts += [RATIOS, table]
    return "".join(parts)


def _machines(records: list[dict]) -> str:
    """What is known of the machines that `records` are of."""
    found = []
    for record in records:
        known = mapping(record.get("machine"))
        said = [text(known.get("cpu")) or "a processor", f"{text(known.get('cores')) or '?'} cores"]
        found.append(f"- {', '.join([*said, *filter(None, [text(known.get('instructions'))])])}\n")
    return "".join(dict.fromkeys(found))


def _sources(tables: Tables) -> str:
    """Where the accuracy that is published of each flavour is from."""
    by_source: dict[str, dict[str, None]] = {}
    for row in tables.networks:
        by_source.setdefault(row.source, {})[row.flavour] = None
    lines = [f"- {', '.join(flavours)}: {source}" for source, flavours in by_source.items()]
    return "Published accuracy is from, by flavour:\n\n" + "\n".join(lines) + "\n"
