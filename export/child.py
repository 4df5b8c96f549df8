"""The child's side of `export.process.ask`: run somebody's `work`, and write down what it answers.

    python child.py FD SCRIPT                      a lane's script
    python child.py FD MODULE ROOT [PACKAGE...]    a module of ours, which is found in ROOT

The folders of jobs come on standard input, a line of JSON each; when one is done, DONE is written
to the open file FD. The script or module is imported at once, and each PACKAGE that its work will
need, so that a child can be started early, and only once, so that what its work keeps is there for
the next job.

Both have a function `work(job, arrays) -> (answer, arrays)`: `job` and `answer` are dicts of what
JSON holds, arrays are numpy's, by name. A `work` that yields such pairs has each of them kept at
once, so that it is known how far it came if the process dies: the last answer counts, and all the
arrays. `answer["error"]` is empty, or says in one line which exception ended the work.

Runs under Python 3.9 and later, in lanes too, so it imports nothing of ours but memory.py, which
does too. A script may import this file, as `child`, and the files that lie beside the script.
"""

import sys

if not __package__ and sys.path[0] == __file__.rpartition("/")[0]:
    del sys.path[0]  # export/, whose html and others would hide the standard library's

import contextlib
import ctypes
import importlib
import importlib.util
import json
import os
import re
from pathlib import Path
from types import GeneratorType

JOB, ANSWER = "job", "answer"  # what a file holds, as its name begins
DONE = b"\n"
MAPPED = 1 << 20  # bytes from which an array is mapped


def main(done, target, root=None, *packages):
    """Run the `work` of a module, or of a script if no root is given, job after job."""
    if sys.platform == "linux":  # killed when the parent dies, however that dies: PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(1, 9)
    done = int(done)
    os.set_inheritable(done, False)  # of whatever this process starts: its end tells the parent
    jobs = os.fdopen(os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if root is None:
        module = _script(target)
    else:
        sys.path.insert(0, root)
        module = importlib.import_module(target)
        import_early(packages)
    _module_at("memory", Path(__file__).with_name("memory.py")).unmap_libraries()
    for line in jobs:
        run(module.work, json.loads(line))
        os.write(done, DONE)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # frameworks take their time to clear up what ends anyway, and some die of it


def import_early(packages):
    """Import `packages`, TensorFlow without Keras; what cannot be imported is the work's to report.

    TensorFlow takes Keras along where it finds it, which doubles its own 2 s and adds 0.2 GB.
    """
    without_keras = "keras" not in sys.modules
    if without_keras:
        sys.modules["keras"] = None  # not to be found
    for name in packages:
        with contextlib.suppress(Exception):  # of a damaged package, whatever it raises
            importlib.import_module(name)
    if without_keras:
        del sys.modules["keras"]


def run(work, folder):
    """Have `work` done on the job in `folder`, where its answers are kept."""
    job, arrays = read(folder, JOB)
    names = []
    for answer, more in answers(work, job, arrays):
        names = write(folder, ANSWER, answer, more, names)


def answers(work, job, arrays):
    """Yield each answer of `work` with the arrays that are new; the last one tells of its error."""
    answer, error = {}, ""
    try:
        made = work(job, arrays)
        for answer, more in made if isinstance(made, GeneratorType) else [made]:
            yield answer, more
    except Exception as raised:  # runtimes raise what they like; the parent judges it
        error = in_a_line(raised)
    yield {**answer, "error": error}, {}


def write(folder, kind, content, arrays, before=()):
    """Write `content` and `arrays` for `read`, which finds all of them or none.

    `before` names the arrays that earlier calls wrote. Returns the names of all.
    """
    names = [*before, *arrays]
    for number, values in enumerate(arrays.values(), start=len(before)):
        _save(_array(folder, kind, number), values)
    partial = Path(folder, f"{kind}.partial")
    partial.write_text(json.dumps({"content": content, "arrays": names}))
    partial.replace(Path(folder, f"{kind}.json"))
    return names


def read(folder, kind):
    """Return the content and the arrays that `write` wrote last."""
    found = json.loads(Path(folder, f"{kind}.json").read_text())
    arrays = {
        name: _load(_array(folder, kind, number)) for number, name in enumerate(found["arrays"])
    }
    return found["content"], arrays


def _array(folder, kind, number):
    return Path(folder, f"{kind}_{number}.npy")


def _save(path, values):
    import numpy as np  # a lane of work that is not done on arrays has none

    np.save(path, values, allow_pickle=False)


def _load(path):
    """The array at `path`; a large one is in memory only where it is looked at, and may be changed.

    The file may be deleted meanwhile.
    """
    import numpy as np

    if path.stat().st_size < MAPPED:
        return np.load(path, allow_pickle=False)
    return np.load(path, mmap_mode="c").view(np.ndarray)


# What TensorFlow and OpenVINO put above the words that say what went wrong.
ABOVE = re.compile(
    r".*root error\(s\) found\.|Exception from \S+:\d+:|Check '.*' failed at \S+:\d+:"
)


def in_a_line(error):
    """Return what went wrong, in one line.

    That is the message of an ExportError, which says all there is to say, and the class and first
    line of any other, but for those that only say where in a library it was raised. A session of
    TensorFlow wraps the words of its operations in a Python trace, and keeps them in the context.
    """
    if getattr(error, "is_sentence", False):
        return " ".join(str(error).splitlines())
    own = getattr(error.__context__, "message", None) or str(error)
    lines = [line.strip() for line in own.splitlines()]
    lines = [line for line in lines if line and not ABOVE.fullmatch(line)]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _script(path):
    sys.modules["child"] = sys.modules[__name__]
    sys.path.insert(0, str(Path(path).parent))
    return _module_at("work_of_a_lane", path)


def _module_at(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
