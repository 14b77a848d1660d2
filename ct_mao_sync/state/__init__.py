"""The SQLite file, reached by names of this domain only. One writer."""
