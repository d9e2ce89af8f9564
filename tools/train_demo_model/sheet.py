"""Free queries -> their best hits in the sample collection, as one PNG for the model card.

The hits are the program's own: `pgmmr search --mode vector` over a collection made of demo/emoji.parquet.

    python3 sheet.py ../../build/release/pgmmr demo ../../models/demo/queries.png
"""
import json
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import pictures

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"  # Debian: fonts-noto-cjk
HITS, CELL, LABEL = 8, 46, 290


def search(program, collection, text):
    """-> the keys of the best pictures"""
    found = subprocess.run([program, "search", "-c", collection, text, "--mode", "vector", "-k", str(HITS), "--format", "json"],
                           check=True, capture_output=True)
    return [hit["key"] for hit in json.loads(found.stdout)["hits"]]


def main(program, collection, out):
    here = Path(__file__).parent
    keys, pixels = pictures.collection(str(here / "work"))
    at = {key: i for i, key in enumerate(keys)}
    texts = (here / "queries.txt").read_text().split("\n")[:-1]
    rows = (len(texts) + 1) // 2
    sheet = Image.new("RGB", (2 * (LABEL + HITS * CELL), rows * CELL), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(FONT, 17)
    for i, text in enumerate(texts):
        left, top = i // rows * (LABEL + HITS * CELL), i % rows * CELL
        draw.text((left + 8, top + 11), text, fill="black", font=font)
        for j, key in enumerate(search(program, collection, text)):
            image = Image.fromarray(pixels[at[key]].permute(1, 2, 0).numpy()).resize((CELL - 4, CELL - 4), Image.LANCZOS)
            sheet.paste(image, (left + LABEL + j * CELL, top + 2))
    sheet.quantize(224, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
