"""The machine: which device computes and in which precision, and how much memory there is."""
