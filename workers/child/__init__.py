"""The child process that decodes and processes pictures, and its pool."""
