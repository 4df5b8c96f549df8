"""The page on what compression brings, of lines that were measured."""

import json

from export.study.compression import page


def run(way, seed, after, **more):
    return {
        "way": way,
        "seed": seed,
        "accuracy": {"before": 0.98, "after": after, "quantised": after},
        "distinct": 16,
        "dense": {"bytes": 100, "gzip": 90} if seed == 0 else {},
        "sizes": {"bytes": 100, "gzip": 45} if seed == 0 else {},
        "agreement": None,
        **more,
    }


def test_a_way_is_a_row_with_mean_and_spread_over_its_seeds():
    runs = [run("prune", 0, 0.96), run("prune", 1, 0.98), run("int8", 0, 0.97, agreement=0.995)]
    text = page("\n".join(map(json.dumps, runs)))
    assert "| prune | 2 | 97.00% | 1.41 | -1.00 | 16 | 0.50 | - |" in text
    assert "| int8 | 1 | 97.00% | - | -1.00 | 16 | 0.50 | - |" in text
    assert "names the class that it names on 99.50%" in text
    assert "(1 seed)" in text


def test_where_nothing_was_trained_for_int8_nothing_is_said_of_it():
    assert "rounds is right" not in page(json.dumps(run("prune", 0, 0.96)))
