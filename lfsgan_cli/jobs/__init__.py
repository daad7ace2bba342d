"""What a command does, without its words: workspace, pictures, training and drawing brought together."""
