"""Records programs as events: recorder, storages, frames, line clock, session.  Framework-neutral."""
