"""What the values of a kernel show."""

import numpy as np
import pytest

from export.compression.facts import MANY, count_distinct, holds_pattern, look


@pytest.fixture
def kernel():
    """A convolution's, (3, 3, 8, 5), of which of each four input channels two are zero."""
    values = np.random.default_rng(0).standard_normal((3, 3, 8, 5)).astype(np.float32)
    values[:, :, [0, 2, 5, 7]] = 0
    return values


def test_a_pattern_is_seen_along_the_input_channels(kernel):
    assert holds_pattern(kernel)
    assert not holds_pattern(kernel.transpose(0, 1, 3, 2))  # five channels make no fours
    assert not holds_pattern(np.moveaxis(kernel, 2, 3)[..., :4, :])
    shown = look(kernel)
    assert (shown.size, shown.zeros, shown.sparsity, shown.pattern) == (360, 180, 0.5, True)


def test_one_broken_group_of_four_is_seen(kernel):
    kernel[1, 2, 0, 3] = 1e-30
    assert not holds_pattern(kernel)
    assert not look(kernel).pattern


def test_a_dense_layer_has_its_groups_in_columns():
    values = np.tile(np.float32([[1, 2, 0, 0, 0, 0, 3, 4]]).T, (1, 3))
    assert holds_pattern(values)
    assert not holds_pattern(np.ascontiguousarray(values.T)[:, :4])


def test_what_has_no_channels_has_no_pattern():
    assert not holds_pattern(np.zeros(8, np.float32))
    assert not holds_pattern(np.zeros((3, 3, 3, 4), np.float32))


def test_distinct_values_are_counted_in_all_and_in_one_channel():
    values = np.float32([[0, 1], [0, 2], [3, 2], [0, 3]])
    shown = look(values)
    assert (shown.distinct, shown.in_a_channel) == (4, 3)
    assert count_distinct(values) == 4
    assert count_distinct(np.zeros(0)) == 0


def test_many_distinct_values_are_not_counted_unless_asked():
    values = np.arange(40 * (MANY + 1), dtype=np.float32).reshape(-1, 4)
    shown = look(values)
    assert (shown.distinct, shown.in_a_channel) == (None, None)
    assert count_distinct(values) == values.size
