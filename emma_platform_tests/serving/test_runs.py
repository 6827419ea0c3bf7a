"""Each value of a sorted column, where it begins, how often it is there; nulls are none."""

import pyarrow as pa
import pytest

from emma_platform.serving.runs import places, runs


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ([["a", "a"], ["b", None]], (["a", "b"], [0, 2], [2, 1])),
        ([["b", "a", "a"]], (["b", "a"], [0, 1], [1, 2])),
        ([[None]], ([], [], [])),
        ([[]], ([], [], [])),
    ],
)
def test_runs_of_a_sorted_column(column: list[list[str | None]], found: tuple[list[object], ...]) -> None:
    said = runs(pa.chunked_array(column, pa.string()))
    assert tuple(part.tolist() for part in said) == found
    values, first, count = found
    assert places(pa.chunked_array(column, pa.string())) == dict(
        zip(values, zip(first, count, strict=True), strict=True)
    )
