"""The driver of the interop suite."""
