#!/usr/bin/env python3
"""Writes a ViT-B/32 CLIP with random weights of realistic scales in the Hugging Face layout.

    make_checkpoint.py OUT TOKENIZER

Speed doesn't depend on what the weights are; that they are no one's model means that anyone may make
them. TOKENIZER is a folder with vocab.json and merges.txt. Needs numpy.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

TEXT, VISION = (512, 8, 12), (768, 12, 12)  # width, heads, layers
PROJECTION, VOCABULARY, CONTEXT, PATCH, IMAGE = 512, 49408, 77, 32, 224


def tensors():
    """(name, shape, mean, deviation)"""
    out = []

    def linear(name, rows, columns, deviation):
        out.append((name + '.weight', (rows, columns), 0, deviation))
        out.append((name + '.bias', (rows,), 0, 0.02))

    def norm(name, width):
        out.append((name + '.weight', (width,), 1, 0.1))
        out.append((name + '.bias', (width,), 0, 0.05))

    def tower(name, width, layers):
        depth = (2.0 * layers) ** -0.5
        for layer in range(layers):
            block = f'{name}.encoder.layers.{layer}.'
            for part in 'qkv':
                linear(f'{block}self_attn.{part}_proj', width, width, 1.2 * width ** -0.5)
            linear(block + 'self_attn.out_proj', width, width, 2 * depth * width ** -0.5)
            norm(block + 'layer_norm1', width)
            linear(block + 'mlp.fc1', 4 * width, width, width ** -0.5)
            linear(block + 'mlp.fc2', width, 4 * width, 2 * depth * (4 * width) ** -0.5)
            norm(block + 'layer_norm2', width)

    text, vision = TEXT[0], VISION[0]
    out.append(('logit_scale', (), 4.6051702, 0))
    out.append(('text_model.embeddings.token_embedding.weight', (VOCABULARY, text), 0, 0.3))
    out.append(('text_model.embeddings.position_embedding.weight', (CONTEXT, text), 0, 0.1))
    tower('text_model', text, TEXT[2])
    norm('text_model.final_layer_norm', text)
    patches = (IMAGE // PATCH) ** 2
    out.append(('vision_model.embeddings.class_embedding', (vision,), 0, 0.3))
    out.append(('vision_model.embeddings.patch_embedding.weight', (vision, 3, PATCH, PATCH), 0,
                (3.0 * PATCH * PATCH) ** -0.5))
    out.append(('vision_model.embeddings.position_embedding.weight', (patches + 1, vision), 0, 0.1))
    norm('vision_model.pre_layrnorm', vision)
    tower('vision_model', vision, VISION[2])
    norm('vision_model.post_layernorm', vision)
    out.append(('visual_projection.weight', (PROJECTION, vision), 0, vision ** -0.5))
    out.append(('text_projection.weight', (PROJECTION, text), 0, text ** -0.5))
    return out


def config():
    def section(shape, **more):
        width, heads, layers = shape
        return {'hidden_size': width, 'intermediate_size': 4 * width, 'num_attention_heads': heads,
                'num_hidden_layers': layers, 'hidden_act': 'quick_gelu', 'layer_norm_eps': 1e-5,
                'projection_dim': PROJECTION, **more}
    return {'architectures': ['CLIPModel'], 'model_type': 'clip', 'projection_dim': PROJECTION,
            'text_config': section(TEXT, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, eos_token_id=2),
            'vision_config': section(VISION, image_size=IMAGE, patch_size=PATCH, num_channels=3)}


def main():
    out, tokenizer = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    header, at = {}, 0
    for name, shape, _, _ in tensors():
        size = 4 * int(np.prod(shape, dtype=np.int64))
        header[name] = {'dtype': 'F32', 'shape': list(shape), 'data_offsets': [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    random = np.random.Generator(np.random.PCG64(1))
    with open(out + '/model.safetensors', 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for _, shape, mean, deviation in tensors():
            values = random.standard_normal(shape, dtype=np.float32) * np.float32(deviation) + np.float32(mean)
            file.write(np.asarray(values, '<f4').tobytes())
    with open(out + '/config.json', 'w') as file:
        json.dump(config(), file, indent=1)
    for name in ('vocab.json', 'merges.txt', 'tokenizer_config.json'):
        if os.path.exists(f'{tokenizer}/{name}'):
            shutil.copy(f'{tokenizer}/{name}', out)


if __name__ == '__main__':
    main()
