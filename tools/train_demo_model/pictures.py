"""Drawings -> training pixels, the collection -> evaluation pixels, and which of them are held out.

Held out: a picture of the collection whose key's SHA-256 falls in the first tenth ("test") or the next
twenty-fifth ("validation"), at most one picture of a thing. With it every drawing of the same thing by the same
maker goes (old and new Noto; Fluent 3D, flat and colour), for those can be nearly the same picture.
"""
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

SIZE = 64
SHIPPED = ("noto", "twemoji", "fluent")
MAKER = {"noto": "google", "noto-old": "google", "twemoji": "twitter", "fluent": "microsoft", "fluent-flat": "microsoft",
         "fluent-colour": "microsoft", "emojione": "emojione", "emojione-old": "emojione", "firefox": "mozilla", "openmoji": "openmoji"}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
# Country flags that are drawn alike: the territory flies its country's flag.
SAME = {"1F1F8-1F1EF": "1F1F3-1F1F4", "1F1E7-1F1FB": "1F1F3-1F1F4", "1F1F2-1F1EB": "1F1EB-1F1F7",
        "1F1E8-1F1F5": "1F1EB-1F1F7", "1F1ED-1F1F2": "1F1E6-1F1FA", "1F1FA-1F1F2": "1F1FA-1F1F8",
        "1F1EA-1F1E6": "1F1EA-1F1F8", "1F1E9-1F1EC": "1F1EE-1F1F4"}
FLIPPED_KINDS = ("face-", "cat-face", "monkey-face", "animal-", "plant-", "food-", "drink", "transport-ground",
                 "transport-water", "transport-air", "clothing", "tool", "musical-instrument", "household", "medical",
                 "science", "person", "hand", "body", "sport", "place-building", "event")
# Things of these kinds are known by their size or by which way they point.
MEASURED_KINDS = ("geometric", "time", "arrow")
# Things of these kinds are known by their colour, and those that one of the words calls by it.
COLOURED_KINDS = ("face-", "cat-face", "monkey-face", "food-", "drink", "plant-", "heart", "geometric", "country-flag",
                  "flag", "subdivision-flag", "sky-weather", "alphanum", "keycap", "zodiac", "av-symbol",
                  "transport-sign", "warning", "award-medal", "emotion", "hand")
COLOUR_WORDS = {"red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "pink", "gray", "grey"}
# Unicode's building blocks of a person, as the sample collection's isVariant knows them.
SEX_HAIR_DIRECTION = {"2640", "2642", "27A1", "1F9B0", "1F9B1", "1F9B2", "1F9B3"}
MAN_WOMAN, ADULT, CHILDREN = {"1F468", "1F469"}, "1F9D1", {"1F466", "1F467", "1F9D2"}
HEART, LIPS, COUPLE, KISS, FAMILY = "2764", "1F48B", "1F491", "1F48F", "1F46A"


def thing_of(hexcode):
    """What a drawing is a drawing of, without U+FE0F: a man, a woman or anybody with that work, hair or direction is that
    person, every couple is the couple and every family the family, for makers draw a guard as the man who is one."""
    hexcode = SAME.get(hexcode, hexcode).replace("-FE0F", "")
    first, *joined = hexcode.split("-200D-")
    if not joined:
        return hexcode
    if HEART in joined:
        return KISS if LIPS in joined else COUPLE
    if (MAN_WOMAN | CHILDREN) & set(joined):
        return FAMILY
    joined = [p for p in joined if p not in SEX_HAIR_DIRECTION]
    return "-200D-".join([ADULT if first in MAN_WOMAN else first, *joined])


def held_out(keys):
    """keys of the collection -> ({key: thing} test, validation)."""
    share = lambda key: int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2 ** 64
    test, validation, seen = {}, {}, set()
    for key in sorted(keys, key=share):
        thing = thing_of(key.split("/")[1])
        if share(key) < 0.14 and thing not in seen:
            seen.add(thing)
            (test if share(key) < 0.10 else validation)[key] = thing
    return test, validation


def collection(folder):
    """-> keys, uint8 [n, 3, 64, 64], as CLIP's processor sees demo/emoji.parquet (Pillow bicubic)."""
    rows = json.load(open(f"{folder}/rows.json"))
    pixels = np.empty((len(rows), 3, SIZE, SIZE), np.uint8)
    for i, row in enumerate(rows):
        image = Image.open(f"{folder}/{row['file']}").convert("RGB")
        pixels[i] = np.asarray(fit(image)).transpose(2, 0, 1)
    return [r["key"] for r in rows], torch.from_numpy(pixels)


def fit(image):
    """Shorter edge to 64, centre crop, as CLIPImageProcessor does."""
    w, h = image.size
    if min(w, h) != SIZE:
        image = image.resize((SIZE, int(SIZE * h / w)) if w <= h else (int(SIZE * w / h), SIZE), Image.BICUBIC)
    w, h = image.size
    left, top = (w - SIZE) // 2, (h - SIZE) // 2
    return image.crop((left, top, left + SIZE, top + SIZE))


def drawings(folder):
    """-> [(style, hexcode)], uint8 [n, 4, 64, 64] RGBA; decoded once and kept in work/drawings.npz."""
    cache = Path(folder, "drawings.npz")
    if not cache.exists():
        found = sorted((style, p.stem, p) for style in MAKER for p in Path(folder, "drawings", style).iterdir())
        pixels = np.empty((len(found), 4, SIZE, SIZE), np.uint8)
        for i, (_, _, path) in enumerate(found):
            pixels[i] = np.asarray(fit(Image.open(path).convert("RGBA"))).transpose(2, 0, 1)
        np.savez(cache, names=np.array([f"{s}/{h}" for s, h, _ in found]), pixels=pixels)
    data = np.load(cache)
    return [tuple(n.split("/")) for n in data["names"]], torch.from_numpy(data["pixels"])


def colours(rgba):
    """uint8 [4, 64, 64] -> names of colours that cover a third of what is painted."""
    hsv = np.asarray(Image.fromarray(rgba[:3].transpose(1, 2, 0)).convert("HSV")).astype(int)
    hue, sat, val = (hsv[..., c][rgba[3] > 128] for c in range(3))
    hue = hue * 360 // 256
    gray = sat < 45
    dark = val < 60
    names = {"black": dark, "white": gray & (val > 225), "gray": gray & ~dark & (val <= 225)}
    vivid = ~gray & ~dark
    brown = vivid & (hue >= 4) & (hue < 45) & ((val < 170) | (sat < 150) & (val < 215))
    names["brown"] = brown
    pink = vivid & ((hue >= 300) & (hue < 345) | ((hue >= 340) | (hue < 10)) & (sat < 140) & (val > 200))
    names["pink"] = pink
    names["red"] = vivid & ~pink & ((hue >= 345) | (hue < 14)) & ~brown
    names["orange"] = vivid & ~brown & (hue >= 14) & (hue < 40)
    names["yellow"] = vivid & (hue >= 40) & (hue < 68)
    names["green"] = vivid & (hue >= 68) & (hue < 170)
    names["blue"] = vivid & (hue >= 170) & (hue < 255)
    names["purple"] = vivid & (hue >= 255) & (hue < 300)
    return {n for n, where in names.items() if len(hue) and where.mean() > 0.33}


def hue_turn(angle):
    """radians [n] -> [n, 3, 3], a turn about the gray axis (Rodrigues' formula)."""
    k = 3 ** -0.5
    cross = torch.tensor([[0, -k, k], [k, 0, -k], [-k, k, 0]])
    a = angle.view(-1, 1, 1)
    return a.cos() * torch.eye(3) + a.sin() * cross + (1 - a.cos()) / 3


def normalise(rgb):
    """float [n, 3, S, S] in 0..1 -> CLIP's pixel values."""
    return (rgb - MEAN) / STD


def augment(rgba, flip, hue, measured, g):
    """uint8 [n, 4, S, S], bool [n] may be flipped, may have any hue, stays as it lies, generator -> float32 [n, 3, S, S].

    Normalised for CLIP.

    Scale 0.72..1.08, turn up to 15 degrees, shift up to 10 %, flips where harmless, another background for
    40 %, brightness, contrast and saturation, another hue for 20 % of those that may, gray for 3 %. What stays as it
    lies keeps scale, turn and shift.
    """
    n = len(rgba)
    u = lambda *shape: torch.rand(*shape, generator=g)
    x = rgba.float().div_(255)
    alpha = x[:, 3:]
    x = torch.cat([x[:, :3] * alpha, alpha], 1)
    strong = (~measured & (u(n) < 0.85)).float()
    zoom = 1 + strong * ((1 / (0.72 + 0.36 * u(n))) - 1)
    turn = strong * (u(n) - 0.5) * 2 * 0.26
    mirror = torch.where(flip & (u(n) < 0.5), -1.0, 1.0)
    stretch = 1 + strong * (u(n) - 0.5) * 0.16
    theta = torch.stack([zoom * stretch * turn.cos() * mirror, -zoom * turn.sin() * mirror, strong * (u(n) - 0.5) * 0.3,
                         zoom * turn.sin(), zoom * turn.cos(), strong * (u(n) - 0.5) * 0.3], 1).view(n, 2, 3)
    x = F.grid_sample(x, F.affine_grid(theta, (n, 4, SIZE, SIZE), align_corners=False),
                      mode="bilinear", padding_mode="zeros", align_corners=False)
    paper = torch.ones(n, 3, 1, 1)
    tint = u(n, 3, 1, 1)
    kind = u(n, 1, 1, 1)
    paper = torch.where(kind < 0.2, 0.75 + 0.25 * tint, torch.where(kind < 0.4, tint, paper))
    rgb = x[:, :3] + (1 - x[:, 3:]) * paper
    mean = rgb.mean((1, 2, 3), keepdim=True)
    rgb = (rgb - mean) * (1 + 0.5 * (u(n, 1, 1, 1) - 0.5)) + mean + 0.16 * (u(n, 1, 1, 1) - 0.5)
    turned = hue & (u(n) < 0.2)
    angle = torch.where(turned, (u(n) - 0.5) * 2 * torch.pi, torch.zeros(1))
    rgb = torch.einsum("ncd,ndhw->nchw", hue_turn(angle), rgb)
    gray = rgb.mean(1, keepdim=True)
    saturation = torch.where(u(n, 1, 1, 1) < 0.03, torch.zeros(1), 0.6 + 0.8 * u(n, 1, 1, 1))
    rgb = (rgb - gray) * saturation + gray
    return normalise(rgb.clamp_(0, 1))
