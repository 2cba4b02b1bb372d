/** Remaining time as people read it, and as `<time>` wants it. Pure. */

export interface Remaining {
  readonly text: string;
  readonly duration: string;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function remaining(milliseconds: number): Remaining {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return { text: parts(seconds).join(" "), duration: `PT${seconds}S` };
}

/** Days need no seconds. */
function parts(seconds: number): string[] {
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / HOUR);
  const minutes = Math.floor((seconds % HOUR) / MINUTE);
  if (days > 0) return [`${days} d`, `${hours} h`];
  if (hours > 0) return [`${hours} h`, `${two(minutes)} min`];
  if (minutes > 0) return [`${minutes} min`, `${two(seconds % MINUTE)} s`];
  return [`${seconds} s`];
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
