"""From seeds to pictures, to files and to contact sheets."""
