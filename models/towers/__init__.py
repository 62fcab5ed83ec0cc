"""What every encoder on PyTorch shares: two towers on a device, in its precision."""
