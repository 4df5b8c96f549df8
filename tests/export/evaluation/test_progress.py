"""How far an evaluation is, for whoever looks at standard error."""

from export.evaluation.progress import Lines, progress


def test_without_a_terminal_progress_is_plain_lines(capsys):
    with progress() as shown:
        assert isinstance(shown, Lines)
        shown.start("net/a", 4, 10)
        shown.advance(5)  # too soon for a line
        shown.advance(1)
    assert capsys.readouterr().err == "net/a: 4 of 10\nnet/a: 10 of 10\n"
