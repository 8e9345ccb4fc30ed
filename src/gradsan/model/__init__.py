"""The nouns: spans, events, histories, diagnostics, rewrites, reports, errors.  Standard library only."""
