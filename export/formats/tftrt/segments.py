"""What of a TF-TRT graph is inside its engines, and what stays outside."""

from collections import Counter
from dataclasses import dataclass

from export.formats.operations import ENGINE
from export.skeleton.graph import copied, producer
from export.wording import counted

AROUND = (ENGINE, "Placeholder", "PlaceholderWithDefault", "Identity", "NoOp")


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of one example, and operations whose own depend on the data."""

    inside: int
    outside: int
    uncounted: tuple[str, ...]  # types of operations outside, such as loops

    @property
    def share(self) -> float:
        """The share of the multiply-accumulates that engines do."""
        total = self.inside + self.outside
        return self.inside / total if total else 0.0


def outside(network) -> list:
    """The nodes of a GraphDef that no engine runs, less those that may stay outside.

    These are constants, what is computed of constants alone, and `casts`.
    """
    may = {node.name for node in casts(network)} | _fixed(network)
    return [node for node in network.node if node.op not in AROUND and node.name not in may]


def casts(network) -> list:
    """The nodes that only cast an input of a type that TensorRT does not take, such as bytes."""
    inputs = {node.name for node in network.node if node.op.startswith("Placeholder")}
    first = {n.name: n for n in network.node if n.op == "Cast" and producer(n.input[0]) in inputs}
    real = [n for n in network.node if n.op == "Real" and producer(n.input[0]) in first]
    return [*first.values(), *real]


def is_whole(network) -> bool:
    """Whether one engine is the whole network."""
    engines = [node for node in network.node if node.op == ENGINE]
    return len(engines) == 1 and not outside(network)


def described(network) -> str:
    """Say how many engines there are, and what is outside of them."""
    engines = sum(node.op == ENGINE for node in network.node)
    left = Counter(node.op for node in outside(network))
    rest = ", ".join(f"{n} {op}" for op, n in sorted(left.items()))
    return counted(engines, "engine") + (f" and leaves {rest} outside" if rest else "")


def work(network) -> Work:
    """Count what engines do, and what is left to TensorFlow."""
    import tensorflow as tf

    from export.complexity import all_operations, cost_of
    from export.formats.tftrt.native_segment import without_engines

    flat = _of_one_example(without_engines(network))
    engines = tuple(f"{node.name}/" for node in network.node if node.op == ENGINE)
    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(flat, name="")
    macs, lost = {True: 0, False: 0}, set()
    for op in imported.get_operations():
        inside = op.name.startswith(engines)
        costs = [cost_of(one) for one in all_operations([op])]
        macs[inside] += sum(cost.macs for cost in costs)
        lost |= {cost.uncounted for cost in costs if cost.uncounted and not inside}
    return Work(macs[True], macs[False], tuple(sorted(lost)))


def _of_one_example(graph):
    graph = copied(graph)
    for node in graph.node:
        dims = node.attr["shape"].shape.dim if node.op.startswith("Placeholder") else ()
        if dims and dims[0].size == -1:
            dims[0].size = 1
    return graph


def _fixed(network) -> set[str]:
    """Names of the nodes that depend on no input."""
    free = {node.name for node in network.node if node.op in AROUND[:3]}
    readers: dict[str, list[str]] = {}
    for node in network.node:
        for source in node.input:
            readers.setdefault(producer(source), []).append(node.name)
    todo = list(free)
    while todo:
        reached = {name for name in readers.get(todo.pop(), ()) if name not in free}
        free |= reached
        todo += reached
    return {node.name for node in network.node} - free
