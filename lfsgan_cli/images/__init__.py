"""Pictures in and out: folders and zips, decoding, sets for training, PNG files (no torch)."""
