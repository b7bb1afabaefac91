"""What was measured, for people: tables, plots, HTML pages."""
