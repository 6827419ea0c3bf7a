"""The shop owner's application: pages, API, sign-in. It reads publications only."""
