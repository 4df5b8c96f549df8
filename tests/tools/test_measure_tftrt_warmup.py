"""What warm-up costs is measured on a GPU; here a stand-in of the lane's script answers for it.

What cannot be measured is in test_measure_gpu.py, for both tools.
"""

from tools import measure_tftrt_warmup


def test_both_orders_are_measured_with_the_engines_of_each(reported, gpu, capsys):
    assert measure_tftrt_warmup.main([str(reported("tftrt-fp16"))]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [(row[1], row[2], row[-1].removesuffix(" |")) for row in rows] == [
        ("ascending", "1", "1"),
        ("ascending", "4", "1, 4"),
        ("ascending", "8", "1, 4, 8"),
        ("descending", "8", "8"),
        ("descending", "4", "8"),
        ("descending", "1", "8"),
    ]
