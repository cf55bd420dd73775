// Which rows of a long list are in the document. Nothing here knows of one.

const MORE = 6; // rows beyond the edge, so that a quick scroll finds them there

/** The first row, and the one behind the last, that have to be there. */
export function rowsSeen(scrollTop, height, rowHeight, count) {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - MORE);
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + MORE);
  return [Math.min(first, end), end];
}

/** Where to scroll so that a row is seen whole: as little as possible. */
export function scrolledTo(index, scrollTop, height, rowHeight) {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  return Math.max(scrollTop, top + rowHeight - height);
}
