"""``python -m gradsan`` works as ``gradsan`` does."""

from gradsan.surfaces.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
