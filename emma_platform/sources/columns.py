"""Arrow's compute functions and their way to NumPy, as all modules of the sources use them.

Belongs here: the seam to Arrow alone. Does not belong here: anything about files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute

compute: Any = pyarrow.compute
"""`pyarrow.compute` without its type stubs, which leave out argument types that the functions take."""


def numbers(values: Any) -> np.ndarray:  # noqa: ANN401 - what compute returns
    """Integers or flags without nulls as a NumPy array."""
    return np.asarray(values)
