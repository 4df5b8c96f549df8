"""The files that tensorflow_model_server reads parse as its own messages."""

from google.protobuf import text_format
from toy_artifact import make_toy

from export.serving.bundle import add
from export.serving.protos import configs


def test_the_batching_file_of_the_server_parses_as_its_own_message(tmp_path):
    add(make_toy(tmp_path / "exports"), tmp_path / "deploy")
    text = (tmp_path / "deploy" / "batching_parameters.txt").read_text()
    assert text_format.Parse(text, configs().BatchingParameters()).max_enqueued_batches.value > 0
