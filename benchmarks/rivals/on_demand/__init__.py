"""An application on a normalised database that computes what a page shows when it is asked for, row by row.

Belongs here: the database's objects, loading it, and the page. Does not belong here: how it is timed. On SQLite or
PostgreSQL, with the indices that its queries need.
"""
