"""The lane tfmot in processes that are kept, because TensorFlow takes seconds to start in each."""

from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from export.lanes import child_in_lane
from export.process import failure


@contextmanager
def kept_lane(scratch: Path):
    """Have all compressions within the block ask the same process of each script."""
    children = {}
    with ExitStack() as leaving:

        def ask(name, script, job, arrays, own, *, about):
            if script not in children:
                child = child_in_lane(name, script, scratch, about=about)
                children[script] = leaving.enter_context(child)
            answer, made = children[script].ask(job, arrays)
            if answer["error"]:
                raise failure(about, answer["error"], own)
            return answer, made

        leaving.enter_context(patch("export.compression.asking.run_in_lane", ask))
        yield
