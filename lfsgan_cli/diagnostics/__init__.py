"""What is wrong with this machine or this workspace, and what to do about it."""
