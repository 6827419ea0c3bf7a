"""Times: their forms, their zones, the day they fall on."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.sources.times import DayOrder, day_order, place, read_times
from emma_platform_tests.sources.conftest import HEADER, Desk

MOMENT = datetime.fromisoformat("2026-11-22 17:45")


def read(text: str, **options: object) -> datetime | None:
    times = read_times(pa.array([text, "x", None]), **options)
    assert not times.valid[1:].any()
    if not times.valid[0]:
        return None
    moment = datetime.fromisoformat("1970-01-01 00:00") + timedelta(microseconds=int(times.micros[0]))
    return moment.replace(tzinfo=UTC) if times.fixed[0] else moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22 17:45", MOMENT),
        ("2026-11-22T17:45:00", MOMENT),
        (" 2026-11-22 17:45:00.000 ", MOMENT),
        ("2026-11-22T17:45:00.123456789", MOMENT.replace(microsecond=123456)),
        ("2026/11/22 17:45", MOMENT),
        ("2026-11-22", MOMENT.replace(hour=0, minute=0)),
        ("20261122", MOMENT.replace(hour=0, minute=0)),
        ("20261122T1745", MOMENT),
        ("20261122174500", MOMENT),
        ("22.11.2026 17:45", MOMENT),
        ("22.11.26 17:45:00", MOMENT),
        ("11/22/2026 5:45 PM", MOMENT),
        ("11/22/2026 05:45:00pm", MOMENT),
        ("11/22/2026 12:05 a.m.", MOMENT.replace(hour=0, minute=5)),
        ("22/11/2026 17:45", MOMENT),
        ("22-11-2026 17:45", MOMENT),
        ("2026-11-22T17:45:00Z", MOMENT.replace(tzinfo=UTC)),
        ("2026-11-22 18:45:00+01:00", MOMENT.replace(tzinfo=UTC)),
        ("2026-11-22T12:15-0530", MOMENT.replace(tzinfo=UTC)),
        ("20261122T174500Z", MOMENT.replace(tzinfo=UTC)),
        ("2024-02-29", datetime.fromisoformat("2024-02-29 00:00")),
    ],
)
def test_forms(text: str, moment: datetime):
    order = day_order(pa.array([text]))
    assert read(text, day_first=order.is_day_first()) == moment


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10", "2026-11-22 24:00", "2026-11-22 10:60", "0000-01-01",
     "17:45", "2026-11", "13:45 PM", "11/22/2026 13:45 PM", "32.01.2026", "22.13.2026", "1234567", "nan",
     "46348.5", "=NOW()"],
)  # fmt: skip
def test_what_is_no_time(text: str):
    assert read(text, day_first=True) is None


def test_a_format_of_the_entry():
    assert read("22-Nov-2026 17h45", date_format="%d-%b-%Y %Hh%M") == MOMENT
    assert read("22112026 1745 +0100", date_format="%d%m%Y %H%M %z") == datetime(2026, 11, 22, 16, 45, tzinfo=UTC)
    assert read("2026-11-22", date_format="%d.%m.%Y") is None


@pytest.mark.parametrize(
    ("values", "day_first"),
    [
        (["05/06/2026", "13/06/2026"], True),
        (["05/06/2026", "06/13/2026"], False),
        (["05/06/2026"], False),
        (["05.06.2026"], True),
        (["05-06-2026"], True),
        (["05.06.2026", "06.13.2026"], False),
        (["13/01/2026", "14/01/2026", "01/13/2026"], True),
        ([None, "2026-01-02", "05/06/2026 10:00"], False),
    ],
)
def test_the_order_of_day_and_month_is_decided_once_by_the_values_that_decide(values: list[str], day_first: bool):
    order = sum((day_order(pa.array([value], pa.string())) for value in values), DayOrder())
    assert order.is_day_first() is day_first
    assert day_order(pa.array(values, pa.string())).is_day_first() is day_first


moments = st.datetimes(datetime.fromisoformat("1990-01-01 00:00"), datetime.fromisoformat("2037-01-01 00:00"))
FORMS = ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %I:%M:%S %p", "%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%S.%f")


@settings(deadline=None, max_examples=60)
@given(values=st.lists(moments, min_size=1, max_size=8), form=st.sampled_from(FORMS))
def test_any_moment_in_any_form_is_read_as_python_reads_it(values: list[datetime], form: str):
    values = [value if "%f" in form else value.replace(microsecond=0) for value in values]
    times = read_times(pa.array([value.strftime(form) for value in values]), day_first=True)
    assert times.valid.all()
    assert [datetime.fromisoformat("1970-01-01 00:00") + timedelta(microseconds=int(m)) for m in times.micros] == values


ZONES = {"B": "Europe/Berlin", "N": "America/New_York", "T": "Asia/Tokyo", "A": "Australia/Lord_Howe", "X": "No/Where"}


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(moments, st.sampled_from([*ZONES, "unknown", None]), st.booleans()), min_size=1, max_size=12
    ),
    source_zone=st.sampled_from([None, "America/Chicago"]),
)
def test_instants_and_days_are_those_of_zoneinfo(
    rows: list[tuple[datetime, str | None, bool]], source_zone: str | None
):
    texts = [f"{moment.isoformat()}{'+03:00' if fixed else ''}" for moment, _, fixed in rows]
    stores = pa.array([store for _, store, _ in rows], pa.string())
    instants, days = place(read_times(pa.array(texts)), stores, ZONES, source_zone)
    for (moment, store, fixed), instant, day in zip(rows, instants.to_pylist(), days.to_pylist(), strict=True):
        zone = ZoneInfo(ZONES[store] if store in ZONES and store != "X" else source_zone or "UTC")
        wall = timezone(timedelta(hours=3)) if fixed else ZoneInfo(source_zone) if source_zone else zone
        aware = moment.replace(tzinfo=wall)
        exists = aware.astimezone(UTC).astimezone(wall).replace(tzinfo=None) == moment
        if exists:
            assert instant == aware.astimezone(UTC)
            assert day == aware.astimezone(zone).date()


def test_the_hour_that_is_skipped_and_the_hour_that_comes_twice():
    texts = pa.array(["2026-03-29 02:30", "2026-10-25 02:30"])
    instants, days = place(read_times(texts), pa.array(["B", "B"]), ZONES)
    assert instants.to_pylist() == [
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    ]
    assert days.to_pylist() == [date(2026, 3, 29), date(2026, 10, 25)]


def test_what_is_no_time_has_no_instant_and_no_day():
    instants, days = place(read_times(pa.array(["x", None, "2026-01-01"])), pa.array([None, "B", "B"]), ZONES)
    assert np.array(instants.is_null()).tolist() == np.array(days.is_null()).tolist() == [True, True, False]


def sale(sold_at: str, store: str = "N") -> str:
    return f"{HEADER}{store},R,{sold_at},P,1,1\n"


def test_local_times_need_no_zone_for_their_day(desk: Desk):
    desk.zones = ZONES
    delivery = desk.read("a.csv", sale("2026-11-21 23:30"))
    assert delivery.rows["day"].to_pylist() == [date(2026, 11, 21)]
    assert delivery.rows["sold_at_utc"].to_pylist() == [datetime(2026, 11, 22, 4, 30, tzinfo=UTC)]


def test_times_with_an_offset_fall_on_the_day_of_the_store(desk: Desk):
    desk.zones = ZONES
    delivery = desk.read("a.csv", sale("2026-11-22T03:30Z") + "T,R,2026-11-21T23:30-05:00,P,1,1\n")
    assert delivery.rows["day"].to_pylist() == [date(2026, 11, 21), date(2026, 11, 22)]


def test_the_zone_of_the_entry_is_that_of_times_without_offset(desk: Desk):
    desk.zones = ZONES
    desk.map('- {pattern: "*", table: sales, time_zone: UTC}')
    delivery = desk.read("a.csv", sale("2026-11-22 03:30"))
    assert delivery.rows["day"].to_pylist() == [date(2026, 11, 21)]


def test_the_zone_of_the_entry_decides_the_day_where_no_stores_file_does(desk: Desk):
    desk.map('- {pattern: "*", table: sales, time_zone: America/New_York}')
    lines = sale("2026-11-21 23:30") + "N,R,2026-11-22T03:30Z,P,1,1\n"
    delivery = desk.read("a.csv", lines)
    assert delivery.rows["day"].to_pylist() == [date(2026, 11, 21)] * 2
    assert delivery.rows["sold_at_utc"].to_pylist()[0] == datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
    desk.zones = {"N": "Europe/Berlin"}
    assert desk.read("a.csv", lines).rows["day"].to_pylist() == [date(2026, 11, 22)] * 2
