"""Trains the text tower on, alone, towards what the trained vision tower makes of the pictures.

The teacher's text tower has met the teacher's embeddings; the vision tower's have moved since. A step takes 128 things and a
text of each in both languages, and costs no picture (Zhai et al. 2022, "LiT: Zero-shot transfer with locked-image text
tuning", where the pictures' tower stands still, too). One loss:

  text  text against the mean of the vision tower's embeddings of each thing's drawings, right answers shared equally

    python3 train_text.py --work work --checkpoint work/vision.pt --out work/checkpoint.pt
"""
import loop  # before PyTorch: it says how its threads wait

import copy

import captions
import model
import muon
import train_teacher
import train_vision


def train(clip, data, steps, lr, seed):
    things, average = train_vision.centres(clip, data), copy.deepcopy(clip)
    optimiser, progress = muon.Optimiser(model.text_tower(clip), lr), loop.Progress()
    draw = lambda step, batch_of, rng, _: data.texts([(language, t) for t in batch_of for language in captions.LANGUAGES], rng)
    for step, (texts, meant) in loop.batches(seed, 4, steps, data.epoch, draw):
        text = train_teacher.embed_texts(clip, texts, len(data.tokenizer) - 1)
        parts = {"text": train_teacher.soft(20 * text @ things, meant)}
        optimiser.step(parts["text"], train_teacher.rate(step, steps))
        loop.blend(average, clip, step)
        progress.add(step, parts)
    return average


def main():
    parser = loop.options(__doc__, "work/checkpoint.pt", steps=700, lr=1e-3)
    parser.add_argument("--checkpoint", default="work/vision.pt")
    loop.train_on(parser.parse_args(), train)


if __name__ == "__main__":
    main()
