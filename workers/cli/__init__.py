"""The command line: operations on local files, downloading networks."""
