"""How fast this machine trains and draws, how near that is to its limits, and what binds."""
