"""A straightforward Dagster project: pandas, an asset a table, a run a partition, Dagster's own I/O manager.

Belongs here: the project, as the Dagster documentation teaches it, with Dagster's defaults. Does not belong here: how
it is timed. It has the columns that the key figures begin with, no forecast, no prices, no rows set aside.
"""
