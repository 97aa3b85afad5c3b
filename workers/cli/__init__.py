"""The command line: operations on local files, fetching networks."""
