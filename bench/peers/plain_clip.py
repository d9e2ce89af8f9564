"""CLIP's two towers in plain PyTorch on a Hugging Face checkpoint: what is exported and compared with."""
import json
import struct

import numpy as np
import torch
from torch import nn


def read_safetensors(path):
    data = np.memmap(path, np.uint8, 'r')
    size = struct.unpack('<Q', data[:8].tobytes())[0]
    header = json.loads(data[8:8 + size].tobytes())
    header.pop('__metadata__', None)
    out = {}
    for name, entry in header.items():
        begin, end = (8 + size + at for at in entry['data_offsets'])
        if entry['dtype'] != 'F32':
            raise ValueError(f'{path}: {name} is {entry["dtype"]}, F32 expected')
        out[name] = torch.from_numpy(data[begin:end].view('<f4').reshape(entry['shape']).copy())
    return out


def linear(weights, name):
    layer = nn.Linear(*reversed(weights[name + '.weight'].shape), bias=name + '.bias' in weights)
    layer.weight = nn.Parameter(weights[name + '.weight'])
    if layer.bias is not None:
        layer.bias = nn.Parameter(weights[name + '.bias'])
    return layer


def norm(weights, name):
    layer = nn.LayerNorm(weights[name + '.weight'].shape[0], eps=1e-5)
    layer.weight, layer.bias = nn.Parameter(weights[name + '.weight']), nn.Parameter(weights[name + '.bias'])
    return layer


class Block(nn.Module):
    def __init__(self, weights, name, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = norm(weights, name + 'layer_norm1'), norm(weights, name + 'layer_norm2')
        self.q, self.k, self.v = (linear(weights, f'{name}self_attn.{part}_proj') for part in 'qkv')
        self.out = linear(weights, name + 'self_attn.out_proj')
        self.up, self.down = linear(weights, name + 'mlp.fc1'), linear(weights, name + 'mlp.fc2')

    def forward(self, x, mask):
        n, length, width = x.shape

        def split(t):
            return t.view(n, length, self.heads, width // self.heads).transpose(1, 2)

        h = self.norm1(x)
        scores = split(self.q(h)) @ split(self.k(h)).transpose(2, 3) * (width // self.heads) ** -0.5
        if mask is not None:
            scores = scores + mask
        x = x + self.out((scores.softmax(-1) @ split(self.v(h))).transpose(1, 2).reshape(n, length, width))
        h = self.up(self.norm2(x))
        return x + self.down(h * torch.sigmoid(1.702 * h))


def blocks(weights, name, config):
    return nn.ModuleList(Block(weights, f'{name}.encoder.layers.{i}.', config['num_attention_heads'])
                         for i in range(config['num_hidden_layers']))


class Vision(nn.Module):
    """pixels float32 [n, 3, S, S] to embeddings [n, d], not of unit length."""

    def __init__(self, weights, config):
        super().__init__()
        name = 'vision_model.embeddings.'
        self.patch = config['patch_size']
        kernel = weights[name + 'patch_embedding.weight']
        self.patches = nn.Conv2d(3, kernel.shape[0], self.patch, self.patch, bias=False)
        self.patches.weight = nn.Parameter(kernel)
        self.register_buffer('first', weights[name + 'class_embedding'].view(1, 1, -1))
        self.register_buffer('positions', weights[name + 'position_embedding.weight'].unsqueeze(0))
        self.before, self.after = (norm(weights, 'vision_model.' + end) for end in ('pre_layrnorm', 'post_layernorm'))
        self.blocks = blocks(weights, 'vision_model', config)
        self.projection = linear(weights, 'visual_projection')

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.positions
        x = self.before(x)
        for block in self.blocks:
            x = block(x, None)
        return self.projection(self.after(x[:, 0]))


class Text(nn.Module):
    """ids int64 [n, length], the end token being the largest, to embeddings [n, d]."""

    def __init__(self, weights, config):
        super().__init__()
        name = 'text_model.embeddings.'
        self.tokens = nn.Embedding.from_pretrained(weights[name + 'token_embedding.weight'])
        self.register_buffer('positions', weights[name + 'position_embedding.weight'])
        context = config['max_position_embeddings']
        self.register_buffer('mask', torch.full((context, context), -1e9).triu(1))
        self.blocks = blocks(weights, 'text_model', config)
        self.after = norm(weights, 'text_model.final_layer_norm')
        self.projection = linear(weights, 'text_projection')

    def forward(self, ids):
        length = ids.shape[1]
        x = self.tokens(ids) + self.positions[:length]
        for block in self.blocks:
            x = block(x, self.mask[:length, :length])
        end = ids.argmax(1)
        return self.projection(self.after(x[torch.arange(x.shape[0]), end]))


def load(folder, tower):
    with open(folder + '/config.json') as file:
        config = json.load(file)
    weights = read_safetensors(folder + '/model.safetensors')
    make = Vision if tower == 'vision' else Text
    return make(weights, config[tower + '_config']).eval()
