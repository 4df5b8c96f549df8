"""TF Serving's messages come without TensorFlow, and TensorFlow comes in full afterwards."""

import subprocess
import sys

from toy_artifact import make_tftrt

from export.serving.protos import configs


def run(code):
    """Run `code` in a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_messages_and_stubs_leave_no_tensorflow_behind():
    code = (
        "import sys; from export.serving.protos import messages, stubs; messages(); stubs();"
        "print([n for n in sys.modules if n.split('.')[0] == 'tensorflow'])"
    )
    assert run(code) == ["[]"]


def test_tensorflow_imported_afterwards_shares_the_messages():
    code = (
        "from export.serving.protos import messages; ours = messages().TensorProto();"
        "import tensorflow as tf;"
        "theirs = tf.make_tensor_proto([1.0]); ours.CopyFrom(theirs);"
        "print(type(theirs) is type(ours), tf.make_ndarray(ours)[0])"
    )
    assert run(code) == ["True", "1.0"]


def test_bundling_never_imports_tensorflow(tmp_path):
    source = make_tftrt(tmp_path)
    code = (
        "import sys; from pathlib import Path; from export.serving.bundle import add;"
        f"add(Path({str(source)!r}), Path({str(tmp_path / 'deploy')!r}));"
        "print('tensorflow' in sys.modules)"
    )
    assert run(code) == ["False"]


def test_the_messages_that_the_package_lacks_have_the_fields_that_servers_read():
    fields = configs().BatchingParameters.DESCRIPTOR.fields_by_name
    assert fields["allowed_batch_sizes"].number == 6
    assert fields["max_batch_size"].message_type.full_name == "google.protobuf.Int64Value"
    assert fields["pad_variable_length_inputs"].type == fields["allowed_batch_sizes"].TYPE_BOOL
