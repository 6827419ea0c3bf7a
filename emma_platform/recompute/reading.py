"""One file of a group, as it was read.

Belongs here: the word that `intake` and `inputs` share. Does not belong here: reading and writing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from emma_platform.sources.protocol import Delivery, Taken


@dataclass(frozen=True)
class Reading:
    """What one file says; `copy_of` names the file of the same bytes that counts in its place."""

    taken: Taken
    description: str
    deliveries: list[Delivery] = field(default_factory=list)
    copy_of: str | None = None

    @property
    def lines(self) -> int:
        """Data lines read."""
        return sum(delivery.lines for delivery in self.deliveries)

    @property
    def input(self) -> str:
        """The kind of rows it holds."""
        return self.deliveries[0].input if self.deliveries else "sales"

    def rows(self, kind: str) -> list[pa.Table]:
        """Its rows, when it is of that kind."""
        return [delivery.rows for delivery in self.deliveries if delivery.input == kind]

    def set_aside(self) -> list[pa.Table]:
        """Its rows that belong to no partition."""
        return [delivery.set_aside for delivery in self.deliveries if delivery.set_aside.num_rows]
