"""A base and its tasks on disk: their files, their folders, and who works on them."""
