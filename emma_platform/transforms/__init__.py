"""Pure functions and SQL, frame in and frame out: no clock, no files, no Dagster."""
