/** Points in time as people read them. Pure. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LONG = 60 * DAY;

/** "5 min ago". Clocks differ a little: what has happened is never told as to come. */
export function since(at: string, now: number): string {
  const passed = Math.max(0, now - Date.parse(at));
  if (passed < MINUTE) return "just now";
  return passed < LONG ? `${rough(passed)} ago` : day(at);
}

/** "in 5 min", or since when it is over. */
export function until(at: string, now: number): string {
  const left = Date.parse(at) - now;
  if (left <= 0) return since(at, now);
  if (left < MINUTE) return "in less than a minute";
  return left < LONG ? `in ${rough(left, Math.round)}` : day(at);
}

/** "1 h", "7 d": what an option of a list said. */
export function span(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : rough(seconds * 1000);
}

function rough(milliseconds: number, whole: (count: number) => number = Math.floor): string {
  if (milliseconds < HOUR) return `${whole(milliseconds / MINUTE)} min`;
  if (milliseconds < DAY) return `${whole(milliseconds / HOUR)} h`;
  return `${whole(milliseconds / DAY)} d`;
}

function day(at: string): string {
  return new Date(at).toISOString().slice(0, 10);
}
