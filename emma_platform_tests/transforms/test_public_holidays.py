"""Public holidays: known days, whose word counts beside the chain's own calendar, and what they bring to a forecast."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from emma_platform.model.tables import STORES
from emma_platform.transforms.public_holidays import public_holidays, store_calendar
from emma_platform_tests.transforms.forecast_frames import calendar, demand_frame, newest, run

YEAR = (date(2026, 1, 1), date(2026, 12, 31))


def stores(country, subdivision=None):
    rows = [{"store": "S1", "country": country, "subdivision": subdivision}, {"store": "S2"}]
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in STORES.names} for row in rows], schema=STORES.arrow_schema()
    )


def test_known_days():
    bavaria = public_holidays("DE", "BY", *YEAR)
    assert [day.isoformat()[5:] for day in bavaria] == [
        "01-01", "01-06", "04-03", "04-06", "05-01", "05-14", "05-25", "06-04", "10-03", "11-01", "12-25", "12-26",
    ]  # fmt: skip
    assert bavaria[date(2026, 6, 4)] == "Corpus Christi"
    assert date(2026, 6, 4) not in public_holidays("DE", None, *YEAR)
    france = public_holidays("FR", None, *YEAR)
    assert {date(2026, 4, 6), date(2026, 7, 14), date(2026, 8, 15)} <= france.keys()
    assert date(2026, 4, 3) not in france
    assert public_holidays("US", None, date(2026, 11, 1), date(2026, 11, 30)) == {
        date(2026, 11, 11): "Veterans Day",
        date(2026, 11, 26): "Thanksgiving Day",
    }
    assert date(2026, 3, 20) in public_holidays("SA", None, *YEAR)  # the end of Ramadan


def test_names_do_not_follow_the_language_of_the_machine(monkeypatch):
    monkeypatch.setenv("LANGUAGE", "de_DE")
    assert public_holidays("DE", None, *YEAR)[date(2026, 1, 1)] == "New Year's Day"


@pytest.mark.parametrize(("country", "part"), [("QQ", None), ("DE", "XX")])
def test_an_unknown_region_has_none(country, part):
    assert public_holidays(country, part, *YEAR) == {}


def test_the_chains_own_word_stands_alone_in_its_store():
    own = calendar(
        ("S1", date(2026, 4, 6), "Egg race", "holiday"),
        (None, date(2026, 12, 25), "Closed", "closed"),
        ("S1", date(2026, 10, 3), "Fair", "event"),
        ("S2", date(2026, 5, 1), "Dance", "holiday"),
    )
    found = store_calendar(own, stores("DE"), store="S1", first=YEAR[0], last=YEAR[1])
    assert found.slice(0, own.num_rows).equals(own)
    added = {day.isoformat()[5:] for day in found.slice(own.num_rows)["day"].to_pylist()}
    assert added == {"01-01", "04-03", "05-01", "05-14", "05-25", "10-03", "12-26"}
    assert store_calendar(own, stores("DE"), store="S2", first=YEAR[0], last=YEAR[1]) is own
    assert store_calendar(own, stores("DE"), store="S3", first=YEAR[0], last=YEAR[1]) is own


def sales_around_easter(effect):
    """Two years up to 31 March 2026 of a store whose demand is multiplied on public holidays of Bavaria."""
    last = date(2026, 3, 31)
    days = [last - timedelta(back) for back in range(729, -29, -1)]
    holidays = public_holidays("DE", "BY", days[0], days[-1])
    factor = np.array([effect if day in holidays else 1.0 for day in days])
    rng = np.random.default_rng(5)
    units = rng.poisson(factor[:730, None] * np.full(20, 8.0))
    table = store_calendar(calendar(), stores("DE", "BY"), store="S1", first=days[0], last=days[-1])
    return last, units.astype(float), 160.0 * factor[730:], table


def test_demand_that_halves_on_holidays_is_forecast_better_with_the_country():
    last, units, truth, table = sales_around_easter(0.5)
    demand = demand_frame(units, last=last)
    without, with_country = (
        sum(newest(run(demand, events=events, made_on=last), made_on=last).values()) for events in (None, table)
    )
    easter = truth < 100
    assert easter.sum() == 2
    np.testing.assert_allclose(with_country[easter], truth[easter], rtol=0.15)
    assert np.abs(with_country - truth).sum() < 0.7 * np.abs(without - truth).sum()


def test_a_store_that_never_opens_on_holidays_is_expected_to_stay_closed():
    last, units, truth, table = sales_around_easter(0.0)
    total = sum(newest(run(demand_frame(units, last=last), events=table, made_on=last), made_on=last).values())
    np.testing.assert_array_equal(total[truth == 0], 0.0)
    assert total[truth > 0].min() > 100
    # Easter alone of one year, and of that year no day: the other holidays tell.
    recent = run(demand_frame(units[-300:], last=last), events=table, made_on=last)
    np.testing.assert_array_equal(sum(newest(recent, made_on=last).values()) == 0, truth == 0)


def test_one_that_opens_on_some_holidays_is_told_by_their_names():
    last, units, truth, table = sales_around_easter(0.0)
    days = [last - timedelta(back) for back in range(729, -1, -1)]
    monday = np.array([day in (date(2024, 4, 1), date(2025, 4, 21)) for day in days])
    units[monday] = 8.0
    total = sum(newest(run(demand_frame(units, last=last), events=table, made_on=last), made_on=last).values())
    assert total[2] == 0  # Good Friday
    assert total[5] > 100  # Easter Monday
    assert (truth[[2, 5]] == 0).all()
