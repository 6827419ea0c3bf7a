"""The score of M5 equals a plain computation of it, and on the real data the figures that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import m5, made_m5, real_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m5")
    made_m5.write(path)
    return path


def plainly(folder: Path, forecast: np.ndarray, first_day: int) -> list[float]:
    """Level by level, sum by sum, day by day."""
    sales = pd.read_parquet(folder / m5.SALES)
    official = pd.read_parquet(folder / m5.WEIGHTS).set_index(["level", "key"])
    known: dict[tuple[int, str], dict[int, float]] = {}
    said: dict[tuple[int, str], dict[int, float]] = {}
    for number, row in enumerate(sales.to_dict("records")):
        for level, key in enumerate(made_m5.keys(row), 1):
            for day in range(int(sales.columns[6][2:]), made_m5.LAST_DAY + 1):
                own = known.setdefault((level, key), {})
                own[day] = own.get(day, 0.0) + row[f"d_{day}"]
            for ahead in range(28):
                own = said.setdefault((level, key), {})
                own[first_day + ahead] = own.get(first_day + ahead, 0.0) + forecast[ahead, number]
    levels = [0.0] * 12
    for (level, key), own in known.items():
        errors = [(own[day] - value) ** 2 for day, value in said[level, key].items()]
        rmsse = (sum(errors) / 28 / made_m5.scale(own, first_day)) ** 0.5
        levels[level - 1] += 12 * official.loc[(level, key), "weight_public"] * rmsse
    return levels


@pytest.mark.parametrize("first_day", [m5.PUBLIC_FIRST_DAY, 1850])
def test_the_score_equals_a_plain_computation(folder: Path, first_day: int) -> None:
    data = m5.load(folder)
    forecast = np.random.default_rng(2).gamma(1.0, 2.0, (28, len(data.items)))
    found = m5.score(data, forecast, first_day)
    expected = plainly(folder, forecast, first_day)
    assert found.levels == pytest.approx(expected)
    assert found.average == pytest.approx(sum(expected) / 12)


def test_what_was_read_is_in_its_place(folder: Path) -> None:
    data = m5.load(folder)
    sales = pd.read_parquet(folder / m5.SALES)
    assert data.units[data.rows(1900, 1901)].T.tolist() == sales[["d_1900", "d_1901"]].to_numpy().tolist()
    assert (data.dates[0] - made_m5.FIRST_DATE).days == data.first_day - 1
    assert len(data.dates) == len(data.prices) == len(data.units) + 28
    priced = data.stores == made_m5.PRICED_STORE
    assert np.isfinite(data.prices[:, priced]).all()
    assert np.isnan(data.prices[:, ~priced]).all()
    prices = pd.read_parquet(folder / m5.PRICES).set_index(["item_id", "wm_yr_wk"])["sell_price"]
    week = pd.read_parquet(folder / m5.CALENDAR)["wm_yr_wk"][1900 - 1]
    at = int(np.flatnonzero(priced)[4])
    assert data.prices[data.rows(1900, 1900)][0, at] == prices[data.items[at], week]
    assert data.events[data.rows(1801, 1801).start] == ("Fair", "Feast")
    assert data.events[data.rows(1891, 1891).start] == ("Fair",)
    assert data.snap["CA"][data.rows(1900, 1900).start] == (data.dates[data.rows(1900, 1900).start].day <= 10)


def test_a_forecast_of_another_shape_is_refused(folder: Path) -> None:
    data = m5.load(folder)
    with pytest.raises(ValueError, match="days x series"):
        m5.score(data, np.zeros((27, len(data.items))), m5.PUBLIC_FIRST_DAY)
    with pytest.raises(ValueError, match="days x series"):
        m5.score(data, np.zeros((28, len(data.items))), m5.PUBLIC_FIRST_DAY + 1)


def test_absent_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(real_data.VARIABLE, str(tmp_path))
    assert real_data.folder() == tmp_path
    assert real_data.folder(tmp_path / "given") == tmp_path / "given"
    with pytest.raises(real_data.AbsentError, match=m5.SALES):
        m5.load()


def test_the_known_scores_of_the_real_data() -> None:
    try:
        data = m5.load()
    except real_data.AbsentError as error:
        pytest.skip(str(error))
    before = data.units[: m5.PUBLIC_FIRST_DAY - data.first_day]
    forecasts = {
        5.4465: np.zeros((28, before.shape[1])),
        1.4639: np.repeat(before[-1:], 28, axis=0),
        0.8697: np.tile(before[-7:], (4, 1)),
        1.0823: np.repeat(before[-28:].mean(axis=0, keepdims=True), 28, axis=0),
    }
    for known, forecast in forecasts.items():
        assert m5.score(data, forecast, m5.PUBLIC_FIRST_DAY).average == pytest.approx(known, abs=5e-5)
