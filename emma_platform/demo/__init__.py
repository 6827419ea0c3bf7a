"""A made-up chain whose truth is known, and how well the platform finds it."""
