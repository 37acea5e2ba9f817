"""Prefect lives here only: everything with a clock or a side effect."""
