/** How a user is called on the page. Pure. */

import type { User } from "./api/types";

export function displayName(user: User): string {
  return user.name ?? user.preferred_username ?? user.email ?? user.sub;
}

/** "Alice van Dyck" gives "AD", "bob@example.com" gives "B". */
export function initials(name: string): string {
  const words = name.split("@", 1).join("").split(/[\s._-]+/u).filter((word) => word !== "");
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  return chosen.map((word = "") => firstLetter(word)).join("").toLocaleUpperCase();
}

/** By code point: half of a surrogate pair is no letter. */
function firstLetter(word: string): string {
  return Array.from(word)[0] ?? "";
}
