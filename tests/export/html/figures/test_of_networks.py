"""The figure of networks, a file of its own."""

from xml.etree import ElementTree

from export.html.figures.of_networks import NAMES, accuracy


def test_the_file_has_its_own_colours_and_the_size_of_weights_has_a_shape_each():
    drawn = accuracy([("small", 0.3, 0.6, 5.0), ("large", 20.0, 0.7, 600.0)])
    root = ElementTree.fromstring(drawn)
    style = root.find("{http://www.w3.org/2000/svg}style").text
    assert "--measured:#0a67a8" in style and "background:#fff" in style
    assert "small" in drawn and "large" in drawn and "to 300 MB" not in drawn
    assert len({marker for _, marker, _ in NAMES}) == len(NAMES)
