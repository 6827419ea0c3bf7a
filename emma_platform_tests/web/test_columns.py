"""Tables made by column: what a template's loop would make of the same values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from markupsafe import Markup

from emma_platform.web.columns import MarkupColumn, cells, rows
from emma_platform.web.rendering import templates

PATTERN = '<tr>\n<th class="a 100%"><a href="{path}">{name}</a></th><td title="{name}">{seen}</td></tr>'
LOOP = PATTERN.replace("{", "{{ one.").replace("}", " }}")

texts = st.text(max_size=8) | st.text("<>&'\"%{}\0\n s", max_size=8)
values = texts | st.none() | st.integers() | texts.map(Markup.escape)
table = st.integers(0, 4).flatmap(
    lambda count: st.fixed_dictionaries({name: st.lists(values, min_size=count, max_size=count) for name in "abc"})
)


def looped(pattern: str, columns: dict[str, list[Any]]) -> str:
    """The same, by a loop of a template."""
    loop = "{% for one in table %}" + pattern + "{% endfor %}"
    by_row = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return Environment(autoescape=True, keep_trailing_newline=True).from_string(loop).render(table=by_row)


@given(table)
def test_whatever_the_values_are_they_are_escaped_and_nothing_else_of_the_markup_changes(
    table: dict[str, list[Any]],
) -> None:
    columns = dict(zip(("path", "name", "seen"), table.values(), strict=True))
    made = rows(PATTERN, columns)
    assert made == looped(LOOP, columns)
    assert made.count("<") == 8 * len(columns["path"]) + sum(
        value.count("<") for column in columns.values() for value in column if isinstance(value, Markup)
    )


@given(st.lists(st.tuples(st.booleans(), texts), max_size=4))
def test_parts_of_a_row_may_differ_in_their_markup_and_are_escaped_once(found: list[tuple[bool, str]]) -> None:
    columns = {"known": [known for known, _ in found], "name": [name for _, name in found]}
    part = cells("<b>{name}</b>", columns, "known", "<i>none</i>")
    assert rows("<p>{part}</p>", columns, part=part) == "".join(
        Markup("<p><b>{}</b></p>").format(name) if known else "<p><i>none</i></p>" for known, name in found
    )
    assert rows("<br>", columns) == "<br>" * len(found)


def test_a_column_that_is_not_there_is_an_error_and_so_are_columns_of_different_length() -> None:
    with pytest.raises(KeyError, match="b"):
        rows("{a}{b}", {"a": ["1"]})
    with pytest.raises(ValueError, match="shorter"):
        rows("{a}{b}", {"a": ["1", "2"], "b": ["1"]})


def test_templates_make_rows_by_filters() -> None:
    text = "{% set row %}<td>{% if True %}{name}{% endif %}</td>{{ other }}{% endset %}{{ row|rows(columns) }}"
    columns = {"name": ["<&>"], "mark": MarkupColumn(["<hr>"])}
    assert templates().from_string(text).render(columns=columns, other="{mark}") == "<td>&lt;&amp;&gt;</td><hr>"
