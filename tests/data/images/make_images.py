#!/usr/bin/env python3
"""Writes the small pictures of this folder and expected.json: what Pillow makes of each.

Needs Pillow; expected.json was written by Pillow 9.4.0. The pictures are drawn here, so they are as free as the code.
"""
import hashlib
import json
import pathlib
import struct

from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
W, H = 37, 23


def drawn(w=W, h=H):
    image = Image.new("RGB", (w, h))
    for y in range(h):
        for x in range(w):
            image.putpixel((x, y), ((x * 7 + y * 3) % 256, (x * y) % 256, (255 - y * 9 + x) % 256))
    return image


def see_through(image):
    """Opaque at the left, gone at the right, and in between everything between."""
    image = image.convert("RGBA")
    alpha = Image.new("L", image.size)
    alpha.putdata([max(0, min(255, 340 - 12 * x + y)) for y in range(image.height) for x in range(image.width)])
    image.putalpha(alpha)
    return image


def on_white(image):
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")


def digest(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def gif_with_offset(image, transparent):
    """A frame that covers only a part of its canvas, over a canvas filled with nothing."""
    import io
    body = io.BytesIO()
    how = {"transparency": 3} if transparent else {}
    image.convert("P", palette=Image.ADAPTIVE, colors=16).save(body, "GIF", **how)
    data = bytearray(body.getvalue())
    data[6:10] = struct.pack("<HH", W + 9, H + 6)
    at = data.index(b"\x2c" + struct.pack("<HHHH", 0, 0, W, H))
    data[at + 1:at + 5] = struct.pack("<HH", 4, 5)
    return bytes(data)


def bmp(bits, compression, palette, pixels, masks=b"", height=H, width=W):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, len(palette) // 4, 0)
    offset = 14 + 40 + len(masks) + len(palette)
    return struct.pack("<2sIII", b"BM", offset + len(pixels), 0, offset) + head + masks + palette + pixels


def rle8(image):
    rows = b""
    for y in reversed(range(image.height)):
        for x in range(image.width):
            rows += bytes([1, image.getpixel((x, y))])
        rows += b"\0\0"
    return rows + b"\0\1"


def main():
    rgb, gray = drawn(), drawn().convert("L")
    palette = rgb.convert("P", palette=Image.ADAPTIVE, colors=16)
    wide = Image.new("I;16", (W, H))
    wide.putdata([(i * 37) % 65536 for i in range(W * H)])
    save = lambda image, name, **how: image.save(HERE / name, **how)
    save(rgb, "rgb.jpg", quality=80)
    save(rgb, "progressive.jpg", quality=80, progressive=True)
    save(gray, "gray.jpg", quality=80)
    save(rgb.convert("CMYK"), "cmyk.jpg", quality=80)
    save(rgb, "rgb.png")
    save(palette, "palette4.png", bits=4)
    save(rgb.convert("P", palette=Image.ADAPTIVE, colors=4), "palette2.png", bits=2)
    save(gray.convert("1"), "bilevel.png")
    save(wide, "gray16.png")
    save(rgb.convert("RGBA"), "rgba.png")
    save(see_through(rgb), "see_through.png")
    save(see_through(gray), "see_through_gray.png")
    save(see_through(rgb), "see_through.webp", lossless=True, exact=True)
    save(see_through(rgb), "see_through.tif")
    save(palette, "see_through_palette.png", transparency=bytes(range(0, 256, 16)))
    turned = Image.Exif()
    turned[0x0112] = 6
    save(see_through(rgb), "see_through_turned.png", exif=turned)
    save(rgb, "lossless.webp", lossless=True)
    save(rgb, "lossy.webp", quality=70)
    save(palette, "palette.gif")
    save(palette, "interlaced.gif", interlace=1, transparency=2)
    (HERE / "offset.gif").write_bytes(gif_with_offset(rgb, False))
    (HERE / "offset_transparent.gif").write_bytes(gif_with_offset(rgb, True))
    save(rgb, "rgb24.bmp")
    save(gray, "gray8.bmp")
    save(gray.convert("1"), "bilevel.bmp")
    entries = palette.getpalette()[:48]
    quads = b"".join(bytes([entries[i + 2], entries[i + 1], entries[i], 0]) for i in range(0, 48, 3))
    (HERE / "rle8.bmp").write_bytes(bmp(8, 1, quads, rle8(palette)))
    words = b"".join(struct.pack("<H", (x * 1777 + y * 731) % 65536) for y in range(H) for x in list(range(W)) + [0])
    (HERE / "rgb555.bmp").write_bytes(bmp(16, 0, b"", words))
    (HERE / "rgb565_topdown.bmp").write_bytes(bmp(16, 3, b"", words, struct.pack("<III", 0xF800, 0x7E0, 0x1F), -H))
    save(rgb, "rgb.tif")
    save(rgb, "lzw.tif", compression="tiff_lzw")
    save(gray, "gray.tif", compression="tiff_adobe_deflate")
    save(gray.convert("1"), "fax.tif", compression="group4")
    save(palette, "palette.tif")
    save(wide, "gray16.tif")
    save(rgb.convert("CMYK"), "cmyk.tif")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(drawn(9, 6), f"orientation{orientation}.png", exif=exif)
    expected = {}
    for path in sorted(HERE.iterdir()):
        if path.suffix in (".py", ".json"):
            continue
        image = ImageOps.exif_transpose(Image.open(path))
        rgb = image.convert("RGB")
        expected[path.name] = {"size": rgb.size, "sha256": digest(rgb)}
        if digest(rgb) != digest(on_white(image)):
            expected[path.name]["on_white_sha256"] = digest(on_white(image))
    resized = {str(f): digest(drawn().resize((19, 40), f)) for f in range(6)}
    text = json.dumps({"pictures": expected, "resized_rgb_png_to_19x40": resized}, indent=1)
    (HERE / "expected.json").write_text(text + "\n")


main()
