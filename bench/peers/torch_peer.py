#!/usr/bin/env python3
"""PyTorch float32, driven as compare.py says: torch_peer.py CHECKPOINT DATA THREADS"""
import sys
import time

import numpy as np
import torch

import plain_clip


def main():
    checkpoint, data, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    towers = {}

    def tower(name):
        if name not in towers:
            towers[name] = plain_clip.load(checkpoint, name)
        return towers[name]

    def inputs(words):
        if words[0] == 'vision':
            return torch.from_numpy(np.fromfile(data + '/pixels.f32', '<f4').reshape(-1, 3, 224, 224))
        length = int(words[1])
        return torch.from_numpy(np.fromfile(f'{data}/ids{length}.i64', '<i8').reshape(-1, length))

    with torch.inference_mode():
        for line in sys.stdin:
            verb, *words = line.split()
            if verb == 'time':  # time vision|text LENGTH BATCH REPEATS
                batch, repeats = map(int, words[2:])
                model, x = tower(words[0]), inputs(words)[:batch]
                times = []
                for _ in range(repeats):
                    start = time.perf_counter()
                    model(x)
                    times.append(1e3 * (time.perf_counter() - start))
                print(*times, flush=True)
            elif verb == 'save':  # save vision|text LENGTH FILE
                tower(words[0])(inputs(words)).numpy().astype('<f4').tofile(words[2])
                print('saved', flush=True)


if __name__ == '__main__':
    main()
