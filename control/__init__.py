"""Floor 6: outbox, watcher, reconciler: besides workers the only callers of the Prefect API. One role, leased."""
