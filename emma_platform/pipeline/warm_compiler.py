"""Importing this makes numba load what it knows of types, which it else does before the first kernel of a process.

Belongs here: nothing more; a process that others are forked from imports it (`warm`), and keeps no code that makes
figures. That takes 0.3 s of CPU, for each run anew if it does it itself.
"""

from numba.core.registry import cpu_target

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
