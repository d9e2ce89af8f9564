"""The teacher's picture tower: a residual convolution network (He et al. 2016, the basic block).

From ten thousand drawings it learns in a tenth of the steps what a vision transformer needs: neighbourhood is built
in. It sees drawings of 48 x 48 pixels, which cost three fifths of 64 x 64.
"""
import copy

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS, BLOCKS = (32, 64, 192, 320), (1, 2, 2, 1)
PATCH_STAGE = 2
SIDE = 48
PLACES = 8  # along each side of what the student has of them: its patches


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.skip = nn.Identity() if before == width and stride == 1 else nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.skip(x), inplace=True)


class ConvNet(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WIDTHS[0], 3, 2, 1, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU())
        stages, before = [], WIDTHS[0]
        for at, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS)):
            stage = [Block(before if i == 0 else width, width, 2 if i == 0 and at > 0 else 1) for i in range(blocks)]
            stages.append(nn.Sequential(*stage))
            before = width
        self.stages = nn.ModuleList(stages)
        self.projection = nn.Linear(before, dim)
        self.to(memory_format=torch.channels_last)  # what oneDNN's convolutions are fast in

    def forward(self, pixels):
        """float32 [n, 3, S, S], normalised -> float32 [n, dim], unit length; [n, 192, 8, 8], the third stage."""
        x = F.interpolate(pixels, SIDE, mode="bilinear", antialias=True)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        for at, stage in enumerate(self.stages):
            x = stage(x)
            if at == PATCH_STAGE:
                places = F.interpolate(x, PLACES, mode="bilinear")
        with torch.autocast("cpu", enabled=False):
            return F.normalize(self.projection(x.float().mean((2, 3))), dim=-1), places


def twin(net):
    """-> a network of the same parameters, later changes included, that takes means and variances of its own."""
    other = copy.deepcopy(net)
    for own, shared in zip(other.modules(), net.modules()):
        own._parameters = shared._parameters
    return other
