"""Training of a stage: batches, schedules, optimizer, callbacks, loop."""
