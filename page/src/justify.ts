// Pictures of any shape to rows that fill the width: each row is as high as makes its pictures,
// beside each other, exactly as wide as the gallery.
//
// A row ends where its height comes nearest to the wished one. The choice looks only at what comes
// before and one picture ahead, so that pictures added later never move those laid out already.
// A last row that is not full keeps the wished height; while more are to come it is held back.

export interface Size {
  width: number;
  height: number;
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number; // of the picture, without its caption
  row: number;
}

export interface Layout {
  boxes: Box[]; // of the first boxes.length pictures; fewer than there are where a row is held back
  height: number;
  rows: number;
}

export interface Frame {
  width: number;
  row_height: number;
  gap: number;
  caption: number; // below each picture
  more: boolean; // whether more pictures are to come
}

// A strip thinner than this would be a line: it is cut to that shape when shown.
const NARROWEST = 0.5;
const WIDEST = 3.2;

export function shape_of(size: Size): number {
  const shape = size.width > 0 && size.height > 0 ? size.width / size.height : 1;
  return Math.min(WIDEST, Math.max(NARROWEST, shape));
}

export function justify(sizes: readonly Size[], frame: Frame): Layout {
  const boxes: Box[] = [];
  let top = 0;
  let row = 0;
  let start = 0;
  let shapes = 0; // sum over the open row
  if (frame.width <= 0) return { boxes, height: 0, rows: 0 };

  const height_of = (sum: number, n: number) => (frame.width - frame.gap * (n - 1)) / sum;

  const close = (end: number, height: number) => {
    let left = 0;
    for (let i = start; i < end; ++i) {
      const width = shape_of(sizes[i]!) * height;
      boxes.push({ left, top, width, height, row });
      left += width + frame.gap;
    }
    top += height + frame.caption + frame.gap;
    row += 1;
    start = end;
    shapes = 0;
  };

  for (let i = 0; i < sizes.length; ++i) {
    const shape = shape_of(sizes[i]!);
    const n = i - start;
    const with_it = height_of(shapes + shape, n + 1);
    if (with_it > frame.row_height) {
      shapes += shape;
      continue;
    }
    const without_it = n > 0 ? height_of(shapes, n) : Infinity;
    // Ratios, not differences: half as high is as bad as twice as high.
    if (without_it / frame.row_height < frame.row_height / with_it) {
      close(i, without_it);
      shapes = shape;
      if (height_of(shapes, 1) <= frame.row_height) close(i + 1, height_of(shapes, 1));
    } else {
      close(i + 1, with_it);
    }
  }
  if (start < sizes.length && (!frame.more || row === 0)) {
    close(sizes.length, Math.min(frame.row_height, height_of(shapes, sizes.length - start)));
  }
  return { boxes, height: Math.max(0, top - frame.gap), rows: row };
}

// How high rows should be: few pictures are blown up to more than twice their size, large ones leave
// room for several rows, and a phone still shows two or three beside each other. The quartile rather
// than the median: where small and large ones are mixed, the small decide, and searches look alike.
export function wished_row_height(sizes: readonly Size[], width: number): number {
  const first = sizes.slice(0, 24).map((size) => size.height).sort((a, b) => a - b);
  const quartile = first[first.length >> 2] ?? 200;
  const most = width < 560 ? 136 : width < 1000 ? 184 : 216;
  const least = width < 560 ? 96 : 124;
  return Math.min(most, Math.max(least, 2 * quartile));
}
