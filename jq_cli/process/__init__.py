"""What a program knows of processes: their kin, their signals, their environment."""
