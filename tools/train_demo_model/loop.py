"""What the training scripts share: their options, their draws, the running average, what they say as they go."""
import argparse
import collections
import os
import time
from pathlib import Path

# Before PyTorch is loaded: OpenBLAS takes a new CPU for an old one; its threads and OpenMP's spin while they wait, in each
# other's way.
os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import torch

from data import Data

BF16 = bool({"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split()))


def options(doc, out, steps, lr):
    """A parser with the options that every script has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="work")
    parser.add_argument("--kinds", default=str(Path(__file__).parent / "../sample_collection/kinds.json"))
    parser.add_argument("--out", default=out)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def begin(a):
    """Threads and seed as asked -> what there is to learn."""
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    return Data(a.work, a.kinds)


def autocast():
    """bfloat16 where the processor computes in it; elsewhere, where it would be emulated, float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=BF16)


def draws(seed, stage, epoch):
    """-> NumPy's and PyTorch's generators of an epoch; a stage of the training has its own."""
    return (np.random.default_rng([seed, stage, epoch] if stage else [seed, epoch]),
            torch.Generator().manual_seed(seed * 100003 + 1000 * stage + epoch))


def blend(average, clip, decay):
    """Moves the running average's parameters towards clip's."""
    with torch.no_grad():
        for a, p in zip(average.parameters(), clip.parameters()):
            a.lerp_(p, 1 - decay)


class Progress:
    """Means of the losses, a line each twenty steps."""

    def __init__(self):
        self.seen, self.began = collections.Counter(), time.time()

    def add(self, step, parts):
        self.seen.update({k: v.item() for k, v in parts.items()})
        if step % 20 == 0:
            self.say(step, "  ".join(f"{k} {v / 20:.3f}" for k, v in self.seen.items()))
            self.seen.clear()

    def say(self, step, what):
        print(f"{step:6d} {time.time() - self.began:6.0f} s  {what}", flush=True)
