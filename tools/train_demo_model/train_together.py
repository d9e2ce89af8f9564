"""Trains both towers together at last, on hard batches: the text tower gets used to the vision tower that stands in
for the teacher, and the vision tower to telling neighbours apart by itself.

The four losses and the batches (sixteen things of one kind in a row, in one pair of styles) are train_teacher.py's;
every patch is kept, and the learnt vectors of the things stand still. Everything is seeded.

    python3 train_together.py --work work --student work/student.pt --out work/checkpoint.pt
"""
import argparse
import copy
import json
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import torch

import evaluate
import model
import muon
import train_teacher
from data import Data
from train_student import Progress, rate


def train(clip, things, data, steps, lr, seed):
    """-> the running average of both towers, in a copy of clip."""
    optimiser, average = muon.Optimiser(list(clip.named_parameters()), lr), copy.deepcopy(clip)
    progress, step, epoch = Progress(), 0, 0
    while step < steps:
        rng = np.random.default_rng([seed, 2, epoch])
        generator = torch.Generator().manual_seed(seed * 100003 + 2000 + epoch)
        for batch_of in data.epoch(rng, train_teacher.RUN):
            if step >= steps:
                break
            parts = train_teacher.losses(clip, clip.embed_pictures, things, data,
                                         data.batch(batch_of, rng, generator, train_teacher.RUN))
            optimiser.step(sum(parts.values()), rate(step, steps, steps, warmup=30))
            with torch.no_grad():
                for e, p in zip(average.parameters(), clip.parameters()):
                    e.lerp_(p, 1 - min(0.98, (step + 1) / (step + 20)))
            step += 1
            progress.add(step, parts)
            if step % 100 == 0 or step == steps:
                progress.say(step, f"validation {json.dumps(evaluate.figures(average, data, data.validation))}")
        epoch += 1
    return average


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="work")
    parser.add_argument("--kinds", default=str(Path(__file__).parent / "../sample_collection/kinds.json"))
    parser.add_argument("--teacher", default="work/teacher.pt")
    parser.add_argument("--student", default="work/student.pt")
    parser.add_argument("--out", default="work/checkpoint.pt")
    parser.add_argument("--steps", type=int, default=220)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    data, saved = Data(a.work, a.kinds), torch.load(a.student)
    clip = model.Clip(saved["config"])
    clip.load_state_dict(saved["model"])
    clip = train(clip, torch.load(a.teacher)["things"], data, a.steps, a.lr, a.seed)
    torch.save({**saved, "model": clip.state_dict()}, a.out)


if __name__ == "__main__":
    main()
