"""What an operation saves, writes and aliases: one table per framework version, and its loader."""
