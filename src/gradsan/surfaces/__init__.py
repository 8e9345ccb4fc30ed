"""The doors: each parses what its host gives, calls a task and shows the report.  No door imports another."""
