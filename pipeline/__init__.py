"""Floor 4: the steps of a transcription as plain functions, without an orchestrator."""
