"""From a received upload to tasks: admission, deduplication, groups."""
