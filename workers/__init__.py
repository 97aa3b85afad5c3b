"""The work: arq rings, the ledger is claimed, a child process does the pixels."""
