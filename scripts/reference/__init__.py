"""PyTorch's own meta-gradients (torch.func), the reference that UFO-MAML is checked and timed against."""
