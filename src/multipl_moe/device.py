"""Where to compute."""

import torch
from torch import nn


def move_to_best_device(model: nn.Module) -> torch.device:
    """Move a model to the first GPU, if there is one; returns where it is."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    nn.Module.to(model, device)
    return device
