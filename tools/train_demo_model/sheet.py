"""Free queries -> their best hits in demo/emoji.parquet, as one PNG for the model card.

    python3 sheet.py work/checkpoint.pt ../../models/demo/queries.png
"""
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

import bpe
import evaluate
import model
import pictures

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"  # Debian: fonts-noto-cjk
HITS, CELL, LABEL = 8, 46, 290


def main(checkpoint, out, queries=Path(__file__).parent / "queries.txt"):
    saved = torch.load(checkpoint)
    clip, tokenizer = model.Clip(saved["config"]), bpe.Tokenizer(saved["merges"])
    clip.load_state_dict({k: v.half().float() for k, v in saved["model"].items()})
    keys, pixels = pictures.collection(str(Path(__file__).parent / "work"))
    texts = Path(queries).read_text().split("\n")[:-1]
    everything = evaluate.embed_collection(clip, pixels)
    best = (evaluate.embed_words(clip, tokenizer, texts) @ everything.t()).topk(HITS).indices
    rows = (len(texts) + 1) // 2
    sheet = Image.new("RGB", (2 * (LABEL + HITS * CELL), rows * CELL), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(FONT, 17) if Path(FONT).exists() else ImageFont.load_default()
    for i, text in enumerate(texts):
        left, top = i // rows * (LABEL + HITS * CELL), i % rows * CELL
        draw.text((left + 8, top + 11), text, fill="black", font=font)
        for j, hit in enumerate(best[i].tolist()):
            image = Image.fromarray(pixels[hit].permute(1, 2, 0).numpy()).resize((CELL - 4, CELL - 4), Image.LANCZOS)
            sheet.paste(image, (left + LABEL + j * CELL, top + 2))
        print(text, "|", "  ".join(keys[hit] for hit in best[i].tolist()))
    sheet.quantize(224, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
