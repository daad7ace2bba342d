"""StyleGAN2 (Karras et al., 2020) in plain PyTorch; knows nothing of adapters, tasks and files."""
