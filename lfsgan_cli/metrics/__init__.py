"""Measures pictures: features of an extractor, the Fréchet distance between two sets, perceptual distances."""
