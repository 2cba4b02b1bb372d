/** Text of strangers, safe to look at. Pure. */

// Control characters and what turns the direction of writing or breaks the line. Without this, a device that waits for
// approval could call itself something that reads like another one.
const MISLEADING = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/gu;

/** Characters that nobody sees are written out: U+202E becomes `\u{202e}`. */
export function printable(text: string): string {
  return text.replace(MISLEADING, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
