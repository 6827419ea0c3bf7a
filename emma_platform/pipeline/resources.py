"""The resource of the assets: the platform on one home.

Belongs here: what runs need from outside (https://docs.dagster.io/guides/build/external-resources). Does not belong
here: what they do with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emma_platform.recompute.batch import BatchReport
from emma_platform.recompute.platform import Observer, Platform, open_platform
from emma_platform.settings import Settings


@dataclass(frozen=True)
class Home:
    """Opens the platform on a home.

    A plain object, not a `ConfigurableResource`: Dagster would copy that one, and whoever started a run in this process
    could neither watch it nor learn what it did.

    Attributes:
        settings: of the home.
        observer: who watches the batches, if anyone.
        reports: what the batches of this process did, in order.
    """

    settings: Settings
    observer: Observer | None = None
    reports: list[BatchReport] = field(default_factory=list)

    def open(self) -> Platform:
        """The platform."""
        return open_platform(self.settings, self.observer)
