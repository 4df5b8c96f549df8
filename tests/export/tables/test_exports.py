"""The page on what exports take."""

from export.stages import Part, Profile, Stage
from export.tables.exports import Compared, Measured, head, jobs_table, stages_table, stock_table

MACHINE = {"cpu": "Quick 3", "cores": 4, "usable_cores": 2, "memory_bytes": 24_000_000_000}


def took(wall_s: float, peak: int = 1_500_000_000, status: int = 0) -> Profile:
    stage = Stage("verifying", wall_s, peak, {"observe": Part(2.5, peak // 2)})
    return Profile(wall_s=wall_s, cpu_s=1.5 * wall_s, status=status, stages=(stage,))


def test_the_page_says_where_it_was_measured_and_what_else_ran():
    page = head("python tools/benchmark_export.py", MACHINE, 0.034)
    assert "2 cores of an Quick 3 and 24.00 GB; other processes took 3% of it" in page
    assert "`python tools/benchmark_export.py`" in page


def test_a_job_is_beside_its_aims():
    page = jobs_table([Measured("toy", took(12.34), aim_s=14, aim_gb=1.7)])
    assert "| job | wall | aim | CPU | peak memory | aim |" in page
    assert "| toy | 12.3 s | 14 s | 18.5 s | 1.50 GB | 1.7 GB |" in page
    assert "before" not in page


def test_other_code_is_beside_it_where_it_was_run():
    jobs = [
        Measured("toy", took(12), aim_s=14, aim_gb=1.7, before=took(24, 2_000_000_000)),
        Measured("other", took(5, status=2), aim_s=14, aim_gb=1.7),
    ]
    page = jobs_table(jobs)
    assert "| 24.0 s, 2.00 GB | 0.50 |" in page
    assert "| other (exit status 2) | 5.0 s |" in page


def test_converters_of_others_are_beside_ours():
    page = stock_table([Compared("toy to onnx", took(10), took(20, 13_000_000_000))])
    assert "| toy to onnx | 10 s, 1.5 GB | 20 s, 13.0 GB |" in page


def test_a_stage_is_there_as_a_whole_and_by_process():
    page = stages_table("toy", took(10))
    assert "## toy, by stage and process" in page
    assert "| verifying | all | 10.0 s |  | 1.50 GB |" in page
    assert "|  | observe |  | 2.5 s | 0.75 GB |" in page
