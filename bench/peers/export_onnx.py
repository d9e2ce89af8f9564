#!/usr/bin/env python3
"""The two towers of a checkpoint as ONNX graphs, batch and text length left open.

    export_onnx.py CHECKPOINT OUT       writes OUT/vision.onnx and OUT/text.onnx
"""
import sys

import torch

import plain_clip


def main():
    checkpoint, out = sys.argv[1:]
    for tower, example, axes in (('vision', torch.zeros(2, 3, 224, 224), {0: 'n'}),
                                 ('text', torch.arange(14).reshape(2, 7), {0: 'n', 1: 'length'})):
        torch.onnx.export(plain_clip.load(checkpoint, tower), (example,), f'{out}/{tower}.onnx', opset_version=14,
                          input_names=['input'], output_names=['embedding'],
                          dynamic_axes={'input': axes, 'embedding': {0: 'n'}})


if __name__ == '__main__':
    main()
