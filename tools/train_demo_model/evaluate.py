"""The held-out figures: words -> held-out pictures, and held-out picture -> the same thing elsewhere."""
import sys
from pathlib import Path

import torch

import model
import pictures
from data import Data


def embed_collection(embed, collection):
    """uint8 [n, 3, S, S] -> float32 [n, dim], unit length; full precision."""
    with torch.no_grad():
        return torch.cat([embed(pictures.normalise(part.float() / 255)) for part in collection.split(256)])


def embed_words(clip, tokenizer, texts, positions=32):
    rows = [tokenizer.encode(t, positions) for t in texts]
    ids = torch.full((len(rows), max(map(len, rows))), len(tokenizer) - 1)
    for i, r in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
    with torch.no_grad():
        return torch.cat([clip.embed_texts(part) for part in ids.split(256)])


def figures(clip, data, hidden, embed=None, everything=None, detail=False):
    """hidden {key: thing} -> recalls; embed: the picture tower where it is not the clip's own.

    en, zh: the thing's name as the query, all held-out pictures as the gallery, the thing's own as the answer.
    picture: a held-out picture as the query, every other picture of the collection as the gallery, any
    picture of the same thing as the answer (they are all in another style).
    across: the same, but the gallery is the pictures in other styles than the query's.
    """
    keys = sorted(hidden)
    row = {k: i for i, k in enumerate(data.keys)}
    if everything is None:
        everything = embed_collection(embed or clip.embed_pictures, data.collection)
    mine = everything[[row[k] for k in keys]]
    things = {t["hex"]: t for t in data.captions.things}
    found = {}
    for lang in ("en", "zh"):
        names = [things[k.split("/")[1]][lang]["name"] for k in keys]
        scores = embed_words(clip, data.tokenizer, names) @ mine.t()
        rank = (scores > scores.diag()[:, None]).sum(1)
        found[lang] = [round((rank < k).float().mean().item(), 3) for k in (1, 5, 10)]
    scores = mine @ everything.t()
    scores[torch.arange(len(keys)), [row[k] for k in keys]] = -2
    same = torch.tensor([[hidden[k] == pictures.thing_of(o.split("/")[1]) for o in data.keys] for k in keys])
    known = same.sum(1) > 1
    for what, gallery in (("picture", torch.ones_like(same)), ("across", torch.tensor(
            [[k.split("/")[0] != o.split("/")[0] for o in data.keys] for k in keys]))):
        among = scores.masked_fill(~gallery, -2)
        rank = (among > among.masked_fill(~same, -2).max(1).values[:, None]).sum(1)
        found[what] = [round((rank[known] < k).float().mean().item(), 3) for k in (1, 5, 10)]
    if detail:
        hit = scores.argmax(1).tolist()
        found["missed"] = [(k, data.keys[hit[i]]) for i, k in enumerate(keys) if known[i] and not same[i, hit[i]]]
    return found


def main(checkpoint):
    saved = torch.load(checkpoint)
    here = Path(__file__).parent
    data = Data(str(here / "work"), str(here / "../sample_collection/kinds.json"))
    clip = model.Clip(saved["config"])
    clip.load_state_dict({k: v.half().float() for k, v in saved["model"].items()})
    print("weights rounded to F16; recall@1, @5, @10")
    everything = embed_collection(clip.embed_pictures, data.collection)
    for name, hidden in (("validation", data.validation), ("test", data.test)):
        found = figures(clip, data, hidden, everything=everything, detail=True)
        print(name, len(hidden), "pictures:", {k: found[k] for k in ("en", "zh", "picture", "across")})
        print("  missed:", "  ".join(f"{k}>{hit}" for k, hit in found["missed"]))


if __name__ == "__main__":
    main(sys.argv[1])
