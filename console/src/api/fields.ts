/** Single fields of JSON from outside: the value as promised, or `null`. */

import { printable } from "../printable";

export type Fields = Readonly<Record<string, unknown>>;

const LONGEST_LINE = 400;

export function asFields(json: unknown): Fields | null {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Fields) : null;
}

export function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** For what people and devices wrote: made safe to look at, and never longer than a few lines. */
export function line(value: unknown): string | null {
  const whole = text(value);
  if (whole === null) return null;
  const shown = whole.length > LONGEST_LINE ? `${whole.slice(0, LONGEST_LINE)}…` : whole;
  return printable(shown);
}

export function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** A time of RFC 3339. */
export function moment(value: unknown): string | null {
  return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? value : null;
}

/** What is no text is left out; `null` if it is no list at all. */
export function lines(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? value.map(line).filter((entry) => entry !== null) : null;
}

/** `null` if one of them is not what was promised: half a list would look like a whole one. */
export function listOf<Item>(value: unknown, parse: (json: unknown) => Item | null): readonly Item[] | null {
  if (!Array.isArray(value)) return null;
  const items = value.map(parse);
  return items.every((item) => item !== null) ? items : null;
}
