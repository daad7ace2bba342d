"""Lifelong few-shot picture generation: one frozen StyleGAN2, one small file for each learned domain."""

__version__ = "0.1.0"
