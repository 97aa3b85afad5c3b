"""What is measured: the metrics, the instruments a process counts with, snapshots of them."""
