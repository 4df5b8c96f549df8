"""What setup.cfg asks for: bounds, reasons, and nothing that moves a package under TensorFlow."""

import configparser
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CORE = ("tensorflow", "keras", "numpy", "protobuf", "h5py", "ml-dtypes")


def extras() -> dict[str, list[Requirement]]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return {
        name: [Requirement(line) for line in text.splitlines() if line and line[0] != "#"]
        for name, text in config["options.extras_require"].items()
    }


def wanted_by(requirement: Requirement, seen: set[str]):
    """(package, what it asks for) of all that `requirement` brings."""
    if requirement.name in seen or requirement.name == "keras-nets":
        return
    seen.add(requirement.name)
    for text in metadata.requires(requirement.name) or ():
        asked = Requirement(text)
        if asked.marker is None or asked.marker.evaluate({"extra": ""}):
            yield requirement.name, asked
            yield from wanted_by(asked, seen)


@pytest.mark.parametrize("extra", extras())
def test_an_extra_is_content_with_what_tensorflow_runs_on(extra):
    """Or pip would move a package under a TensorFlow that works."""
    found = []
    for requirement in extras()[extra]:
        try:
            found += wanted_by(requirement, set())
        except metadata.PackageNotFoundError:
            pytest.skip(f"the extra [{extra}] is not installed here")
    wrong = [
        f"{package} asks for {asked}, and {metadata.version(asked.name)} is here"
        for package, asked in found
        if asked.name in CORE and metadata.version(asked.name) not in asked.specifier
    ]
    assert wrong == []


def test_extras_name_no_package_that_tensorflow_runs_on():
    named = {requirement.name for listed in extras().values() for requirement in listed}
    assert named & set(CORE) == set()


def requirements():
    """(line, whether a comment above gives a reason, requirement) of each in setup.cfg."""
    section, reason = "", False
    for line, text in enumerate((ROOT / "setup.cfg").read_text().splitlines(), start=1):
        if text.startswith("["):
            section = text
        elif re.match(r"\w+ *=", text):
            listing, reason = text, False
        elif section == "[options.extras_require]" or (
            section == "[options]" and listing.startswith("install_requires")
        ):
            if text.strip().startswith("#"):
                reason = True
            elif text.strip():
                yield line, reason, text.strip()


def test_every_requirement_is_bounded_on_both_sides_and_has_a_reason():
    found = list(requirements())
    assert len(found) > 15
    wrong = []
    for line, reason, text in found:
        if text.startswith("keras-nets["):
            continue  # another list of our own
        if not (re.search(r">=\d", text) and re.search(r"<\d", text)) and "==" not in text:
            wrong.append(f"setup.cfg:{line}: {text} lacks a bound")
        if not reason:
            wrong.append(f"setup.cfg:{line}: {text} lacks a reason")
    assert wrong == []
