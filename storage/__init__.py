"""What outlives a process: rows, migrations and blobs. SQLAlchemy is imported here and nowhere else."""
