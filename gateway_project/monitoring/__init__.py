"""Dashboards and alerts as files, and the check that they ask only for metrics that exist."""
