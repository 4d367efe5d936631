"""Revisions of the schema, run from code: ``storage.schema.upgrade``."""
