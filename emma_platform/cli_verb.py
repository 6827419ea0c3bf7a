"""What every verb of the command line has: --home, and errors that end in one line.

Belongs here: declaring a verb. Does not belong here: the verbs (`cli`, `cli_advise`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click


def verb(group: click.Group) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare verbs of a group: each with --home, its errors ending in one line and exit status 1."""

    def declare(function: Callable[..., Any]) -> click.Command:
        @group.command(name=function.__name__.rstrip("_").replace("_", "-"), help=function.__doc__)
        @click.option("--home", type=click.Path(path_type=Path), envvar="EMMA_HOME", default=Path(".emma"),
                      show_default=True, help="Where everything lasting is kept (EMMA_HOME).")  # fmt: skip
        @wraps(function)
        def command(home: Path, **options: Any) -> None:  # noqa: ANN401 - click hands over what each verb declares
            from emma_platform.console import remedied
            from emma_platform.settings import Settings

            with remedied():
                function(Settings(home=home.absolute()), **options)

        return command

    return declare
