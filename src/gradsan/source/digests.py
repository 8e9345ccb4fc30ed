"""What tells whether a file, or its being there, has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        from _blake2 import blake2b  # as `hashlib` has it, which loads OpenSSL first
    except ImportError:
        from hashlib import blake2b

__all__ = ["blake2b", "digest_of", "presence"]


def digest_of(text: str) -> str:
    """Return the digest of a file's text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def presence(path: Path) -> str:
    """Return whether there is a package or a module of a name, for names that lead no further; empty where not."""
    return "there" if path.is_dir() or path.is_file() or path.with_name(path.name + ".py").is_file() else ""
