"""The resources of the assets: the platform on one home.

Belongs here: what runs need from outside (https://docs.dagster.io/guides/build/external-resources). Does not belong
here: what they do with it.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from emma_platform.recompute.batch import BatchReport
from emma_platform.recompute.platform import Observer, Platform, open_platform
from emma_platform.settings import Settings


class PlatformResource(dg.ConfigurableResource[None]):
    """Opens the platform on a home; the other settings come from the environment."""

    home: str
    quiet_seconds: float | None = None
    _observer: Observer | None = PrivateAttr(default=None)
    _reports: list[BatchReport] = PrivateAttr(default_factory=list)

    def watched_by(self, observer: Observer) -> PlatformResource:
        """The same, with someone who watches its batches."""
        self._observer = observer
        return self

    def keep(self, report: BatchReport) -> None:
        """Remember what a batch did, for whoever started the run in this process."""
        self._reports.append(report)

    @property
    def reports(self) -> list[BatchReport]:
        """What the batches of this process did."""
        return self._reports

    def settings(self) -> Settings:
        """The settings of this home."""
        own = {} if self.quiet_seconds is None else {"quiet_seconds": self.quiet_seconds}
        return Settings(home=Path(self.home), **own)  # type: ignore[arg-type]

    def open(self) -> Platform:
        """The platform."""
        return open_platform(self.settings(), self._observer)
