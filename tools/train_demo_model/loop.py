"""What the training scripts share: their options, their draws, the running average, what they say as they go."""
import argparse
import collections
import itertools
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Before PyTorch is loaded: OpenBLAS takes a new CPU for an old one and its products are shared out here, by in_parts();
# OpenMP's threads spin while they wait.
os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import torch

import evaluate
import model
from data import Data

BF16 = bool({"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split()))
WORKERS = 2
workers = ThreadPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,))


def options(doc, out, steps, lr):
    """A parser with the options that every script has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="work")
    parser.add_argument("--kinds", default=str(Path(__file__).parent / "../sample_collection/kinds.json"))
    parser.add_argument("--out", default=out)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def begin(a):
    """Threads, and the seed as asked -> what there is to learn."""
    torch.set_num_threads(WORKERS)
    torch.manual_seed(a.seed)
    return Data(a.work, a.kinds)


def autocast():
    """bfloat16 where the processor computes in it; elsewhere, where it would be emulated, float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=BF16)


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, compute, parts, *parameters):
        def one(part):
            with autocast():
                return compute(*part)
        ctx.outputs, ctx.parameters = list(workers.map(one, parts)), parameters
        return tuple(torch.cat([o.detach() for o in outputs]) for outputs in zip(*ctx.outputs))

    @staticmethod
    def backward(ctx, *gradients):
        sizes = [len(outputs[0]) for outputs in ctx.outputs]
        parts = zip(*(g.split(sizes) for g in gradients))
        found = list(workers.map(lambda outputs, own: torch.autograd.grad(outputs, ctx.parameters, own), ctx.outputs, parts))
        return None, None, *map(sum, zip(*found))


def in_parts(compute, parameters, parts):
    """compute(*part) of each part, a tuple of tensors, joined; a thread for each part, forward and backward.

    PyTorch's own threads share each operation out and wait for each other at its end, and attention's many small products
    one of them does alone. compute draws nothing at random. parameters are all that it needs gradients of.
    """
    return _InParts.apply(compute, parts, *parameters)


def halves(*tensors):
    """-> parts for in_parts()."""
    return list(zip(*(t.chunk(WORKERS) for t in tensors)))


def batches(seed, stage, steps, epoch, draw):
    """-> (step, what draw made of a batch) as many times as there are steps; the next is drawn while one is computed.

    epoch(rng) gives an epoch's batches, draw(step, batch, rng, generator) draws all that is random about one. The generators,
    NumPy's and PyTorch's, are each epoch's own, and each stage's of the training.
    """
    def drawn():
        step = 0
        for number in itertools.count():
            rng = np.random.default_rng([seed, stage, number] if stage else [seed, number])
            generator = torch.Generator().manual_seed(seed * 100003 + 1000 * stage + number)
            for batch in epoch(rng):
                yield draw(step, batch, rng, generator)
                step += 1
    source = drawn()
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as ahead:
        coming = ahead.submit(next, source)
        for step in range(steps):
            now, coming = coming.result(), ahead.submit(next, source)
            yield step, now


def blend(average, clip, step, decay=0.99):
    """Moves the running average's parameters towards clip's, in the first steps faster than decay says."""
    with torch.no_grad():
        for a, p in zip(average.parameters(), clip.parameters()):
            a.lerp_(p, 1 - min(decay, (step + 1) / (step + 20)))


def train_on(a, train):
    """A whole script that trains a checkpoint on: reads it, trains, says the validation's figures, writes it."""
    data, saved = begin(a), torch.load(a.checkpoint)
    clip = model.Clip(saved["config"])
    clip.load_state_dict(saved["model"])
    clip = train(clip, data, a.steps, a.lr, a.seed)
    print(f"validation {json.dumps(evaluate.figures(clip, data, data.validation))}", flush=True)
    torch.save({**saved, "model": clip.state_dict()}, a.out)


class Progress:
    """Means of the losses, a line each twenty steps."""

    def __init__(self):
        self.seen, self.began = collections.Counter(), time.time()

    def add(self, step, parts):
        """A step's losses; steps count from 0."""
        self.seen.update({k: v.item() for k, v in parts.items()})
        if (step + 1) % 20 == 0:
            self.say(step + 1, "  ".join(f"{k} {v / 20:.3f}" for k, v in self.seen.items()))
            self.seen.clear()

    def say(self, step, what):
        print(f"{step:6d} {time.time() - self.began:6.0f} s  {what}", flush=True)
