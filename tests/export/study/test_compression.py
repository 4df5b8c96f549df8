"""The page on what compression brings, of lines that were measured."""

import json

from export.study.compression import page

DENSE = {
    "net": "squeezenet1_1",
    "way": "dense",
    "seed": 0,
    "sizes": {"fp32": {"bytes": 100, "gzip": 90}, "int8": {"bytes": 25, "gzip": 20}},
}
HALF = {"fp32": {"bytes": 100, "gzip": 45}, "int8": {"bytes": 25, "gzip": 15}}


def run(way, seed, after, **more):
    return {
        "net": "squeezenet1_1",
        "way": way,
        "seed": seed,
        "epochs": 4,
        "accuracy": {"before": 0.98, "after": after, "quantised": after},
        "distinct": 16,
        "sizes": HALF if seed == 0 else {},
        "agreement": None,
        **more,
    }


def text_of(*runs):
    return page("\n".join(map(json.dumps, [DENSE, *runs])))


def test_a_way_is_a_row_with_mean_and_spread_over_its_seeds():
    text = text_of(run("prune", 0, 0.96), run("prune", 1, 0.98), run("int8", 0, 0.97))
    assert "| prune | 2 | 97.00% | 1.41 | -1.00 | 16 | 0.50 | - | 0.25 | 0.15 |" in text
    assert "| int8 | 1 | 97.00% | - | -1.00 | 16 | 0.50 | - | 0.25 | 0.15 |" in text
    assert "| dense |" not in text


def test_agreement_of_either_kind_of_ranges_is_a_row_with_its_worst_seed():
    near = {"same": 1.0, "apart": 0.02, "accuracy": 0.98}
    far = {"same": 0.99, "apart": 1.2, "accuracy": 0.97}
    runs = [
        run("int8", 0, 0.97, agreement={"calibrated": far, "learned": near}),
        run("int8", 1, 0.97, agreement={"calibrated": near, "learned": near}),
    ]
    text = text_of(*runs)
    assert "| calibrated | 2 | 99.50% (99.00%) | 0.610 (1.200) | 97.50% (97.00%) |" in text
    assert "| learned | 2 | 100.00% (100.00%) | 0.020 (0.020) | 98.00% (98.00%) |" in text


def test_where_nothing_was_trained_for_int8_or_timed_nothing_is_said_of_it():
    text = text_of(run("prune", 0, 0.96))
    assert "rounds is right" not in text and "Milliseconds" not in text and "VGG11" not in text


def test_another_network_has_sizes_and_latency():
    large = {"net": "vgg11", "seed": 0}
    text = text_of(
        run("prune", 0, 0.96),
        {**large, "way": "dense", "sizes": DENSE["sizes"]},
        {**large, "way": "prune", "distinct": 3, "sizes": HALF},
        {**DENSE, "way": "latency", "ms": {"dense": 2.0, "int8": 1.5}, "load": 3.0},
        {**large, "way": "latency", "ms": {"dense": 20.0, "int8": 15.0}, "load": 4.0},
    )
    assert "| prune | 3 | 0.50 | - | 0.25 | 0.15 |" in text
    assert "| squeezenet1_1 | 2.00 | 1.50 |\n| vgg11 | 20.00 | 15.00 |" in text
    assert "(load 4.0 on its CPUs)" in text


def test_what_it_takes_is_a_row_for_each_way():
    text = text_of(
        run("prune", 0, 0.96),
        {"net": "vgg19", "way": "a", "seed": 0,
         "cost": {"wall_s": 61.5, "cpu_s": 90, "peak_bytes": 3.456e9, "cores": 2, "load": 1.25}},
    )  # fmt: skip
    assert "| way | wall | CPU | peak memory |" in text
    assert "| a | 62 s | 90 s | 3.46 GB |\n" in text
    assert text.endswith("\n2 CPUs, with a load of up to 1.2 from others.\n")
