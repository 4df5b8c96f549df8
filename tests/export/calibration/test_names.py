"""What ranges are called, and whose are taken."""

from export.calibration.names import by_layer, overlaid, range_of

TENSORS = ["conv/Conv:0", "conv/Relu:0", "image", "logits"]
RANGES = {"conv/Conv:0": (-3.0, 3.0), "conv/Relu:0": (0.0, 3.0), "image": (-1.0, 1.0)}


def test_the_last_tensor_of_a_layer_is_called_as_the_layer():
    named = by_layer(RANGES, TENSORS)
    assert named == {"conv/Conv:0": (-3.0, 3.0), "conv": (0.0, 3.0), "image": (-1.0, 1.0)}
    assert range_of(named, "conv/Relu:0") == (0.0, 3.0)
    assert range_of(named, "logits") is None


def test_what_a_layer_has_learnt_is_the_range_of_its_output_alone():
    learned = {"conv": (0.0, 6.0), "elsewhere": (0.0, 9.0)}
    assert overlaid(RANGES, learned, TENSORS) == {**RANGES, "conv/Relu:0": (0.0, 6.0)}
    assert overlaid(RANGES, {}, TENSORS) == RANGES


def test_the_input_and_the_output_have_learnt_ranges_by_their_own_names():
    learned = {"image": (-2.0, 2.0), "logits": (-6.0, 6.0)}
    ranges = {**RANGES, "logits": (-20.0, 20.0)}
    assert overlaid(ranges, learned, TENSORS) == {**ranges, **learned}


def test_a_last_layer_that_is_called_logits_lies_in_another_scope():
    learned, tensors = {"logits": (-6.0, 6.0)}, [*TENSORS[:-1], "logits_layer/Mean:0", "logits"]
    ranges = {**RANGES, "logits_layer/Mean:0": (0.0, 18.0), "logits": (0.0, 18.0)}
    cut = {"logits_layer/Mean:0": (-6.0, 6.0), "logits": (-6.0, 6.0)}
    assert overlaid(ranges, learned, tensors) == {**ranges, **cut}
