"""The result of a run for people and for programs: metrics.json, a table, plots and one HTML page."""
