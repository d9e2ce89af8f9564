// Where the arrow keys lead in a justified gallery.
import type { Box } from './justify';

export function move(boxes: readonly Box[], from: number, key: string): number {
  const here = boxes[from];
  if (!here) return boxes.length > 0 ? 0 : -1;
  switch (key) {
    case 'ArrowLeft':
      return Math.max(0, from - 1);
    case 'ArrowRight':
      return Math.min(boxes.length - 1, from + 1);
    case 'Home':
      return 0;
    case 'End':
      return boxes.length - 1;
    case 'ArrowUp':
      return nearest(boxes, from, here.row - 1);
    case 'ArrowDown':
      return nearest(boxes, from, here.row + 1);
    default:
      return from;
  }
}

function nearest(boxes: readonly Box[], from: number, row: number): number {
  const middle = boxes[from]!.left + boxes[from]!.width / 2;
  let best = from;
  let distance = Infinity;
  boxes.forEach((box, i) => {
    if (box.row !== row) return;
    const away = Math.abs(box.left + box.width / 2 - middle);
    if (away < distance) [best, distance] = [i, away];
  });
  return best;
}
