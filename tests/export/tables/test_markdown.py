from export.tables.markdown import markdown


def test_columns_are_aligned_and_bars_in_cells_escaped():
    table = markdown(("name", "size"), "lr", [("a|b", "1"), ("c\nd", "2")])
    assert table == "| name | size |\n| --- | --: |\n| a\\|b | 1 |\n| c d | 2 |\n"
