"""Take out of OpenVINO's graph what it works out anew whenever it reads the file.

A small network's graph is a fiftieth of its file: half of that is indentation, and shapes and names
of tensors between the layers, which have the layers' own names without.
"""

from collections.abc import Iterator
from xml.etree import ElementTree

# What OpenVINO takes where a layer says nothing.
DEFAULTS = {"auto_pad": "explicit", "auto_broadcast": "numpy"}
BLANK = b" />"  # before the end of an element: no name holds it, because `>` is escaped in names


def slim(net: ElementTree.Element) -> bytes:
    """The XML of the graph `net`, whose inputs and outputs alone keep names and shapes."""
    for element in net.iter():
        element.text, element.tail = (_unless_blank(t) for t in (element.text, element.tail))
    ends = set(_ends(net))
    for layer in net.find("layers"):
        _drop_defaults(layer)
        for port in layer.findall("input/port"):
            _bare(port, "precision")
        for port in layer.findall("output/port"):
            if layer.get("id") not in ends:
                _bare(port, "names")  # each has to state its precision
    content = ElementTree.tostring(net, encoding="utf-8", xml_declaration=True)
    return content.replace(BLANK, BLANK.lstrip())


def _ends(net: ElementTree.Element) -> Iterator[str]:
    """The ids of inputs, and of the layers that give the outputs."""
    kinds = {layer.get("id"): layer.get("type") for layer in net.find("layers")}
    yield from (name for name, kind in kinds.items() if kind == "Parameter")
    for edge in net.find("edges"):
        if kinds[edge.get("to-layer")] == "Result":
            yield edge.get("from-layer")


def _drop_defaults(layer: ElementTree.Element) -> None:
    for data in layer.findall("data"):
        for name, value in DEFAULTS.items():
            if data.get(name) == value:
                del data.attrib[name]
        if not data.attrib:
            layer.remove(data)


def _bare(port: ElementTree.Element, unwanted: str) -> None:
    for size in list(port):
        port.remove(size)
    port.attrib.pop(unwanted, None)


def _unless_blank(text: str | None) -> str | None:
    return text if text and text.strip() else None
