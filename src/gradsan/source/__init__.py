"""The static producer: parse, names, aliases, data flow; and the rewrites of the fix."""
