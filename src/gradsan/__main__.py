"""``python -m gradsan`` works as ``gradsan`` does."""

from gradsan.surfaces.cli import program

if __name__ == "__main__":
    program()
