"""The training of a stage: batches, schedules, optimizer, callbacks, the loop."""
