#!/usr/bin/env python3
"""Write tiny/: a CLIP checkpoint of 50 kB with random weights, and what it must compute.

The embeddings in tiny/golden.json come from the plain implementation below, in double precision
from the stored (F16) weights; it follows transformers' modeling_clip.py and shares no code with the
program. Needs numpy. The same numpy gives the same bytes; the goldens belong to the committed files.

  python3 make_tiny.py
"""
import json
import math
import os
import struct
import zlib

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tiny')
TEXT = {'hidden_size': 12, 'intermediate_size': 28, 'num_hidden_layers': 2, 'num_attention_heads': 2,
        'max_position_embeddings': 16, 'hidden_act': 'quick_gelu'}
VISION = {'hidden_size': 20, 'intermediate_size': 36, 'num_hidden_layers': 2, 'num_attention_heads': 4,
          'image_size': 18, 'patch_size': 5, 'hidden_act': 'gelu'}  # 3 pixels a side belong to no patch
PROJECTION = 20
MERGES = [('c', 'a'), ('ca', 't</w>'), ('r', 'e'), ('re', 'd</w>'), ('o', 'f</w>')]
TEXTS = ['a cat', 'red', '', 'A photo of a RED cat!', 'cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat']
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def byte_symbols():
    """GPT-2's byte table: printable bytes stand for themselves, the others for letters from 256 on."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    spare = [b for b in range(256) if b not in plain]
    return dict([(b, chr(b)) for b in plain] + [(b, chr(256 + i)) for i, b in enumerate(spare)]), plain + spare


def vocabulary():
    table, order = byte_symbols()
    words = [table[b] for b in order] + [table[b] + '</w>' for b in order]
    words += [a + b for a, b in MERGES] + ['<|startoftext|>', '<|endoftext|>']
    return {word: i for i, word in enumerate(words)}


def encode(text, vocab):
    """Enough of the tokenizer for ASCII letters, spaces and '!'."""
    ids = [vocab['<|startoftext|>']]
    for word in text.lower().replace('!', ' ! ').split():
        symbols = list(word[:-1]) + [word[-1] + '</w>']
        for pair in MERGES:
            i = 0
            while i + 1 < len(symbols):
                if (symbols[i], symbols[i + 1]) == pair:
                    symbols[i:i + 2] = [pair[0] + pair[1]]
                i += 1
        ids += [vocab[s] for s in symbols]
    length = TEXT['max_position_embeddings']
    return ids[:length - 1] + [vocab['<|endoftext|>']]


def make_weights(vocab_size):
    random = np.random.RandomState(20)
    weights = {'logit_scale': np.float16(math.log(50))}

    def put(name, shape, deviation, base=0.0):
        weights[name] = (base + deviation * random.standard_normal(shape)).astype(np.float16)

    def layer(name, out, inner, bias=True):
        put(name + '.weight', (out, inner), 1.5 * inner ** -0.5)
        if bias:
            put(name + '.bias', (out,), 0.1)

    def norm(name, width):
        put(name + '.weight', (width,), 0.2, 1.0)
        put(name + '.bias', (width,), 0.1)

    for tower, c in (('text_model', TEXT), ('vision_model', VISION)):
        h, m = c['hidden_size'], c['intermediate_size']
        for i in range(c['num_hidden_layers']):
            p = '%s.encoder.layers.%d.' % (tower, i)
            for n in ('q_proj', 'k_proj', 'v_proj', 'out_proj'):
                layer(p + 'self_attn.' + n, h, h)
            layer(p + 'mlp.fc1', m, h)
            layer(p + 'mlp.fc2', h, m)
            norm(p + 'layer_norm1', h)
            norm(p + 'layer_norm2', h)
    h = TEXT['hidden_size']
    put('text_model.embeddings.token_embedding.weight', (vocab_size, h), 1.0)
    put('text_model.embeddings.position_embedding.weight', (TEXT['max_position_embeddings'], h), 0.5)
    norm('text_model.final_layer_norm', h)
    layer('text_projection', PROJECTION, h, bias=False)
    h, p, s = VISION['hidden_size'], VISION['patch_size'], VISION['image_size']
    put('vision_model.embeddings.class_embedding', (h,), 1.0)
    put('vision_model.embeddings.patch_embedding.weight', (h, 3, p, p), (3 * p * p) ** -0.5)
    put('vision_model.embeddings.position_embedding.weight', ((s // p) ** 2 + 1, h), 0.5)
    norm('vision_model.pre_layrnorm', h)
    norm('vision_model.post_layernorm', h)
    layer('visual_projection', PROJECTION, h, bias=False)
    return weights


class Plain:
    def __init__(self, weights):
        self.w = {k: np.asarray(v, np.float64) for k, v in weights.items()}

    def norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5) * self.w[name + '.weight'] + self.w[name + '.bias']

    def layer(self, x, name):
        return x @ self.w[name + '.weight'].T + self.w[name + '.bias']

    def act(self, x, kind):
        if kind == 'quick_gelu':
            return x / (1 + np.exp(-1.702 * x))
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def tower(self, x, name, c, causal):
        heads, h = c['num_attention_heads'], c['hidden_size']
        for i in range(c['num_hidden_layers']):
            p = '%s.encoder.layers.%d.' % (name, i)
            y = self.norm(x, p + 'layer_norm1')
            q, k, v = (self.layer(y, p + 'self_attn.' + n) for n in ('q_proj', 'k_proj', 'v_proj'))
            mixed = np.zeros_like(x)
            for a in range(heads):
                s = slice(a * h // heads, (a + 1) * h // heads)
                scores = q[:, s] @ k[:, s].T / math.sqrt(h // heads)
                if causal:
                    scores[np.triu_indices(len(x), 1)] = -np.inf
                e = np.exp(scores - scores.max(-1, keepdims=True))
                mixed[:, s] = e / e.sum(-1, keepdims=True) @ v[:, s]
            x = x + self.layer(mixed, p + 'self_attn.out_proj')
            y = self.norm(x, p + 'layer_norm2')
            x = x + self.layer(self.act(self.layer(y, p + 'mlp.fc1'), c['hidden_act']), p + 'mlp.fc2')
        return x

    def text(self, ids):
        e = 'text_model.embeddings.'
        x = self.w[e + 'token_embedding.weight'][ids] + self.w[e + 'position_embedding.weight'][:len(ids)]
        x = self.norm(self.tower(x, 'text_model', TEXT, True), 'text_model.final_layer_norm')
        return self.w['text_projection.weight'] @ x[ids.index(max(ids))]

    def picture(self, pixels):
        e, p = 'vision_model.embeddings.', VISION['patch_size']
        side = VISION['image_size'] // p
        rows = [self.w[e + 'class_embedding']]
        for y in range(side):
            for x in range(side):
                patch = pixels[:, y * p:(y + 1) * p, x * p:(x + 1) * p]
                rows.append((self.w[e + 'patch_embedding.weight'] * patch).sum((1, 2, 3)))
        x = np.array(rows) + self.w[e + 'position_embedding.weight']
        x = self.tower(self.norm(x, 'vision_model.pre_layrnorm'), 'vision_model', VISION, False)
        return self.w['visual_projection.weight'] @ self.norm(x[:1], 'vision_model.post_layernorm')[0]


def write(name, data):
    with open(os.path.join(HERE, name), 'wb') as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def safetensors(weights):
    header, data = {}, b''
    for name in sorted(weights):
        raw = np.asarray(weights[name]).astype('<f2').tobytes()
        header[name] = {'dtype': 'F16', 'shape': list(np.shape(weights[name])),
                        'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(',', ':')).encode()
    return struct.pack('<Q', len(text)) + text + data


def png(rgb):
    def chunk(kind, body):
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    height, width, _ = rgb.shape
    lines = b''.join(b'\0' + row.tobytes() for row in rgb)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(lines, 9)) + chunk(b'IEND', b''))


def main():
    os.makedirs(HERE, exist_ok=True)
    vocab = vocabulary()
    weights = make_weights(len(vocab))
    config = {'model_type': 'clip', 'projection_dim': PROJECTION,
              'text_config': dict(TEXT, vocab_size=len(vocab), eos_token_id=vocab['<|endoftext|>']),
              'vision_config': VISION}
    size = VISION['image_size']
    prep = {'size': {'shortest_edge': size}, 'crop_size': {'height': size, 'width': size},
            'image_mean': MEAN, 'image_std': STD}
    write('config.json', json.dumps(config, indent=1) + '\n')
    write('preprocessor_config.json', json.dumps(prep, indent=1) + '\n')
    write('vocab.json', json.dumps(vocab, separators=(',', ':')) + '\n')
    write('merges.txt', '#version: 0.2\n' + ''.join('%s %s\n' % pair for pair in MERGES))
    write('model.safetensors', safetensors(weights))

    y, x = np.mgrid[0:size, 0:size]
    rgb = np.stack([x * 14, y * 14, (x * y * 5) % 256], -1).astype(np.uint8)
    write('picture.png', png(rgb))  # already of the model's size: no resampling in the golden
    pixels = ((rgb.astype(np.float64) / 255 - MEAN) / STD).transpose(2, 0, 1)
    plain = Plain(weights)
    ids = [encode(text, vocab) for text in TEXTS]
    golden = {'texts': TEXTS, 'input_ids': ids, 'picture': 'picture.png',
              'text_embeds_raw': [np.round(plain.text(i), 9).tolist() for i in ids],
              'image_embeds_raw': np.round(plain.picture(pixels), 9).tolist()}
    write('golden.json', '{\n' + ',\n'.join('%s: %s' % (json.dumps(k), json.dumps(v)) for k, v in golden.items()) + '\n}\n')


if __name__ == '__main__':
    main()
