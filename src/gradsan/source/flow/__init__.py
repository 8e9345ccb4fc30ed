"""Abstract interpretation: what happens to each storage on the paths of a program."""
