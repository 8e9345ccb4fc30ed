"""One file a verb: composes the rooms and returns a report."""
