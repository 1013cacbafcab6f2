"""The compiled engine: blocks of runs on the lanes of the processor."""
