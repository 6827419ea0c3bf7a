"""Emma Platform."""
