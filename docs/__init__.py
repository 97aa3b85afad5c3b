"""Pictures of the project, and the pages about its operations, which write themselves."""
