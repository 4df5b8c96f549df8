"""HDF5 as Keras writes it, and what it could be abused for."""

import subprocess

import h5py
import pytest
from reading import ARRAYS, refused, same, values


def h5_file(path, **datasets) -> str:
    with h5py.File(path, "w") as file:
        for name, (data, options) in datasets.items():
            file.create_dataset(f"layers/dense/vars/{name}", data=data, **options)
    return path


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_datasets_of_any_float_are_read(tmp_path, dtype):
    path = h5_file(tmp_path / "w", **{"0": (ARRAYS["a"].astype(dtype), {})})
    same(values(path), {"dense/kernel": ARRAYS["a"]})


@pytest.mark.parametrize(
    "options",
    [{"chunks": (1, 4)}, {"compression": "gzip"}, {"maxshape": (None, 4)}],
)
def test_datasets_that_keras_does_not_write_are_refused(tmp_path, options):
    path = h5_file(tmp_path / "w", **{"0": (ARRAYS["a"], options)})
    assert "chunked, compressed or elsewhere" in refused(path)


def test_links_and_datasets_elsewhere_are_refused(tmp_path):
    secret = h5_file(tmp_path / "secret", **{"0": (ARRAYS["a"], {})})
    (tmp_path / "raw").write_bytes(bytes(48))
    for index, make in enumerate(
        (
            lambda group: group.__setitem__("0", h5py.ExternalLink(secret, "/layers/dense/vars/0")),
            lambda group: group.__setitem__("0", h5py.SoftLink("/elsewhere")),
            lambda group: group.create_dataset(
                "0", (3, 4), "f4", external=[(str(tmp_path / "raw"), 0, 48)]
            ),
            lambda group: group.create_virtual_dataset("0", virtual_layout(secret)),
        )
    ):
        path = tmp_path / f"w{index}"
        with h5py.File(path, "w") as file:
            make(file.create_group("layers/dense/vars"))
        assert "elsewhere" in refused(path)


def virtual_layout(path):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource(path, "layers/dense/vars/0", (3, 4))
    return layout


def test_groups_that_go_round_in_circles_are_refused(tmp_path):
    with h5py.File(tmp_path / "w", "w") as file:
        inner = file.create_group("layers/dense")
        inner["again"] = file["layers"]
    assert "more groups than any network" in refused(tmp_path / "w")


def test_names_longer_than_those_of_layers_are_refused(tmp_path):
    # A path repeats them, so that a listing could grow to many times the file.
    with h5py.File(tmp_path / "w", "w") as file:
        file.create_group("layers/" + "x" * 1025)
    assert "longer name than any layer" in refused(tmp_path / "w")


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "w", "w") as file:
        file["x"] = 1
    assert "no group 'layers'" in refused(tmp_path / "w")


def test_a_crash_of_the_hdf5_library_is_one_line(tmp_path, monkeypatch):
    path = h5_file(tmp_path / "w", **{"0": (ARRAYS["a"], {})})
    died = subprocess.CompletedProcess([], -11, b"", b"Segmentation fault")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: died)
    assert "HDF5's library fails on it" in refused(path)


def test_the_listing_of_hdf5_fits_in_its_own_memory(tmp_path):
    # A dataset that claims 4 TB and was never written: HDF5 gives it no place in the file.
    with h5py.File(tmp_path / "w", "w") as file:
        file.create_dataset("layers/dense/vars/0", (1 << 40,), "f4")
    assert "elsewhere" in refused(tmp_path / "w")
