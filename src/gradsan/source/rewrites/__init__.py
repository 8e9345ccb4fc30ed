"""One file a rewrite: an edit of source that cures a finding."""
