"""Dagster and nothing else: assets, checks, sensors and how they are put together."""
