"""The platform's numbers, each measured beside its rival in one run; `make bench` prints them."""
