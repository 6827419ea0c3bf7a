"""The words of the platform: tables, partitions, reasons. Imports nothing of the platform."""
