"""Folders of models and versions: each way to spoil them is found."""

import shutil

import pytest
from damage import move, remove, write

from export.serving.lint import lint

VERSION = "models/toy/1"


def bury(folder):
    (folder / VERSION).rename(folder / "models/toy/x")
    (folder / VERSION).mkdir()
    (folder / "models/toy/x").rename(folder / VERSION / "1")


DAMAGE = {
    "version called v1": (move(VERSION, "models/toy/v1"), "name is a number"),
    "version twice": (lambda f: shutil.copytree(f / VERSION, f / "models/toy/01"), "second time"),
    "version a file": (write("models/toy/2"), "is a file"),
    "no version": (remove(VERSION), "has no version to load"),
    "too deep": (bury, "one folder too deep"),
    "no graph": (remove(f"{VERSION}/saved_model.pb"), "no saved_model.pb"),
    "graph broken": (write(f"{VERSION}/saved_model.pb", b"\x12\xff"), "is no SavedModel"),
    "graph empty": (write(f"{VERSION}/saved_model.pb"), "is no SavedModel"),
    "no variables": (remove(f"{VERSION}/variables"), "its variables are missing"),
    "no data of variables": (
        remove(f"{VERSION}/variables/variables.data-00000-of-00001"),
        "its variables are missing",
    ),
    "changed": (write(f"{VERSION}/fingerprint.pb", b"x"), "has changed since"),
    "unverified": (
        lambda f: shutil.copytree(f / VERSION, f / "models/toy/5"),
        "nothing verified it",
    ),
    "closed to the server": (
        lambda f: (f / VERSION / "saved_model.pb").chmod(0o600),
        "runs as another user: chmod -R a+rX, so version 1 of toy does not load",
    ),
    "a closed folder": (
        lambda f: (f / VERSION / "variables").chmod(0o700),
        "so version 1 of toy does not load",
    ),
    "a closed file": (lambda f: (f / "models.config").chmod(0o600), "readable by its owner alone"),
    "a linked file": (
        lambda f: (
            (f / VERSION / "fingerprint.pb").rename(f / "fingerprint"),
            (f / VERSION / "fingerprint.pb").symlink_to(f / "fingerprint"),
        ),
        "is a link, and leads out",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts
