"""What a run needs to be taken up again, on disk after every epoch: imported by scripts.

A checkpoint is a folder with state.json, which is written last, and beside it files of arrays:
`start`, the network when its stage began; `now`, all variables of the wrapped network and of its
optimizer; `best`, the wrapped network after its best epoch.
"""

import json
import pathlib

import keras2
import numpy as np

STATE = "state.json"


def put(variables, values):
    """Give each of `variables` its value."""
    for variable, value in zip(variables, values):  # noqa: B905 (Python 3.9 has no strict)
        keras2.assign(variable, value)


class Checkpoint:
    """The state of a run, as JSON in `state`, and its arrays on disk."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self.folder / STATE
        self.state = json.loads(found.read_text()) if found.exists() else {}

    def begin(self, stage, variables):
        """Forget the stage before, and keep the network as it is now."""
        self.keep("start", variables)
        self.state = {"stage": stage}
        self.put()

    def put(self, **state):
        """Write down `state`, over what was known before."""
        self.state = {**self.state, **state}
        partial = self.folder / f"{STATE}.partial"
        partial.write_text(json.dumps(self.state))
        partial.replace(self.folder / STATE)

    def keep(self, name, variables):
        """Write the values of `variables` under `name`, one at a time.

        What was there before stays where this fails, as it does on a disk that is full.
        """
        partial = self.folder / f"{name}.partial"
        try:
            with partial.open("wb") as file:
                for variable in variables:
                    _write(file, variable)
            partial.replace(self.folder / f"{name}.arrays")
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def read(self, name, count):
        """Yield the `count` arrays that lie under `name`."""
        with (self.folder / f"{name}.arrays").open("rb") as file:
            for _ in range(count):
                yield np.load(file, allow_pickle=False)


def _write(file, variable):
    """Write a variable as numpy writes an array, a piece at a time.

    numpy's own `tofile` may not notice that a disk is full, and needs a copy of all.
    """
    shape, dtype = variable.shape.as_list(), np.dtype(variable.dtype.as_numpy_dtype)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**header, "shape": tuple(shape)})
    for piece in keras2.pieces(variable.shape):
        file.write(variable[piece].numpy().reshape(-1).view(np.uint8))
