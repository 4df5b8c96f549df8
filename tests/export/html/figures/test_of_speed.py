"""The figures of a benchmark."""

from speed_records import record, records

from export.html.figures.of_speed import MARKERS, across_models, of_model
from export.html.records import benchmark


def test_each_way_has_a_shape_of_its_own_that_grey_tells_apart():
    ways = [("onnx", f"runtime {number}", 1.0) for number in range(len(MARKERS))]
    found = benchmark([record(way=way) for way in ways])
    (latency, *_) = of_model(found, "vgg13")
    for _, runtime, _ in ways:
        assert f"onnx in {runtime}" in latency.svg
    assert len(set(MARKERS)) == len(MARKERS)


def test_points_say_their_figures_and_their_doubt():
    found = benchmark(records())
    latency, first, memory = of_model(found, "alexnet")
    assert "alexnet onnx in onnxruntime, batch 8: 176 ms" in latency.svg
    assert "batch 4: 97.6 ms, in doubt" in latency.svg
    assert "onnx in onnxruntime, load: 0.9 s" in first.svg and "first call: " in first.svg
    assert "900.0 MB" in memory.svg


def test_models_are_compared_at_their_smallest_batch_without_keras_that_has_no_file():
    plot = across_models(benchmark(records()))
    assert "vgg13 onnx in onnxruntime, batch 1: 47.9 ms" in plot.svg
    assert "keras" not in plot.svg and "batch 8" not in plot.svg
    assert across_models(benchmark([record(bytes=None)])) is None


def test_the_same_figures_give_the_same_drawing():
    first, second = (across_models(benchmark(records())).svg for _ in range(2))
    assert first == second
