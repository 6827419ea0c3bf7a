"""What a publication was made from, counted once: files and lines of each store, states of files, checks.

Belongs here: the statements, which `opened` runs. Does not belong here: what is said of the counts (`freshness`).
"""

from __future__ import annotations

from emma_platform.serving.selection import SCHEMA

LINES = ("lines", "clean", "set_aside", "duplicates")

_SUMS = ", ".join(f"CAST(coalesce(sum({n}) FILTER (input = 'sales'), 0) AS bigint) AS {n}" for n in LINES)

FILE_STATES = (
    "SELECT state, count(DISTINCT file) AS files FROM {rows} WHERE state = 'taken' OR NOT withdrawn GROUP BY state"
)
"""How many files are in each state; one may hold lines of several stores."""

STATEMENTS = {
    "received": f"""
        SELECT store, count(DISTINCT file) FILTER (copy_of IS NULL AND input = 'sales') AS files,
            arg_max(file, (taken_on, file)) FILTER (copy_of IS NULL) AS last_file,
            max(taken_on) FILTER (copy_of IS NULL) AS taken_on,
            {_SUMS}
        FROM {SCHEMA}.source_files WHERE store IS NOT NULL GROUP BY store ORDER BY store
    """,
    "file_states": f"""
        SELECT CAST(NULL AS varchar) AS store, * FROM ({FILE_STATES.format(rows=f"{SCHEMA}.source_files")})
        UNION ALL
        SELECT store, state, count(DISTINCT file) FROM {SCHEMA}.source_files
        WHERE store IS NOT NULL AND (state = 'taken' OR NOT withdrawn) GROUP BY store, state
        ORDER BY ALL
    """,
    "checks": f'SELECT "table" || \'.\' || "check" AS name, passed FROM {SCHEMA}.check_results ORDER BY name',
}
"""By name: `received` and `file_states` by store, where no store stands for all that there is; every check."""
