"""The table of features: every row is shown by a test, and the page is what the marks say."""

from pathlib import Path

from tests.features import PAGE, ROWS, marked, owner, table


def test_every_feature_is_shown_by_a_test_and_no_mark_names_another() -> None:
    shown = marked()

    assert [name for name in ROWS if not shown.get(name)] == []
    assert sorted(set(shown) - set(ROWS)) == []


def test_the_page_of_features_is_what_the_marks_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(marked()), "run `make features`"


def test_marks_are_read_wherever_they_stand(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_x.py").write_text(
        '@pytest.mark.slow\n@pytest.mark.feature("A-1", "A-2")\ndef test_a(): ...\n'
        '@pytest.mark.feature("A-1")\nasync def test_b(): ...\n'
        'test_c = pytest.mark.feature("A-2")(Desk.TestCase)\n'
        "test_d = other(Desk)\ndef test_e(): ...\n"
    )

    found = marked(tests)

    assert found == {
        "A-1": ["tests/test_x.py::test_a", "tests/test_x.py::test_b"],
        "A-2": ["tests/test_x.py::test_a", "tests/test_x.py::test_c"],
    }
    assert owner("tests/test_x.py::test_c::runTest") == "tests/test_x.py::test_c"
    assert owner("tests/test_x.py::test_a[a::b[0]]") == "tests/test_x.py::test_a"


def test_a_row_that_nothing_shows_is_seen_at_once() -> None:
    page = table({"A-1": ["tests/test_x.py::test_it_is_so", "tests/test_x.py::test_it_is_so"]})

    assert "| A-1 | Alarm states" in page
    assert page.count("[it is so](../tests/test_x.py)") == 1
    assert page.count("**nothing**") == len(ROWS) - 1
