"""Between callers and a device: a queue, batches, deadlines, and a memory of recent answers."""
