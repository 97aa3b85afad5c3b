"""What Darkroom costs over the bare work, measured in one run on one machine."""
