"""Real training loops, several steps each."""
