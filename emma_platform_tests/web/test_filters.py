"""The filters of an address: parsing the canonical query string gives the same filters back."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from emma_platform.serving.listing import Attention
from emma_platform.web.filters import SORTS, Filters

names = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=3).map(tuple)
filters = st.builds(
    Filters,
    q=st.text(st.characters(codec="utf-8"), max_size=20),
    store=names,
    product=names,
    category=names,
    days=st.sampled_from(["7", "28"]),
    attention=st.lists(st.sampled_from(Attention), max_size=3).map(tuple),
    sort=st.sampled_from(SORTS),
    order=st.sampled_from(["asc", "desc"]),
    offset=st.integers(0, 1_000),
    known_on=st.text(st.characters(codec="utf-8"), max_size=12),
)


def parsed(query: str) -> Filters:
    several = {"store", "product", "category", "attention"}
    given = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    return Filters.model_validate({name: v if name in several else v[0] for name, v in given.items()})


@given(filters)
def test_parsing_the_query_string_gives_the_same_question(asked: Filters) -> None:
    found = parsed(asked.query())
    assert found.asked() == asked.asked()
    assert (found.offset, found.known_on) == (asked.offset, asked.known_on)
    assert found.query() == asked.query()


@given(filters)
def test_order_and_repetition_of_names_do_not_change_the_query_string(asked: Filters) -> None:
    turned = asked.model_copy(update={"store": (*reversed(asked.store), *asked.store)})
    assert turned.query() == asked.query()


def test_what_says_nothing_is_left_out_and_parts_can_be_changed() -> None:
    assert Filters().query() == ""
    asked = Filters(store=("S2", "S1"), sort="growth", offset=50)
    assert asked.query() == "store=S1&store=S2&sort=growth&offset=50"
    assert asked.query(offset=0, sort="revenue") == "store=S1&store=S2"


@pytest.mark.parametrize(
    "wrong", [{"sort": "price"}, {"days": "5"}, {"offset": -1}, {"shop": "S1"}, {"attention": ["no"]}]
)
def test_what_is_no_filter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Filters.model_validate(wrong)
