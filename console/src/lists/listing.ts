/** What is known of a long list, and how an answer changes it. Pure. */

import type { Result, Trouble } from "../api/client";
import type { Page } from "../api/types";

export interface Known<Item> {
  /** `null`: nothing yet. */
  readonly items: readonly Item[] | null;
  readonly nextCursor: string | null;
  readonly trouble: Trouble | null;
}

export const NOTHING_KNOWN: Known<never> = { items: null, nextCursor: null, trouble: null };

/** `cursor` is what was asked for; `null` is the beginning, which takes the place of all that was known. */
export function afterPage<Item extends { readonly id: string }>(
  known: Known<Item>,
  cursor: string | null,
  result: Result<Page<Item>>,
): Known<Item> {
  if (result.ok) {
    const { items, next_cursor: nextCursor } = result.value;
    return { items: cursor === null ? items : joined(known.items ?? [], items), nextCursor, trouble: null };
  }
  return result.failure.kind === "trouble" ? { ...known, trouble: result.failure } : known;
}

export function withItem<Item extends { readonly id: string }>(known: Known<Item>, item: Item): Known<Item> {
  return { ...known, items: known.items?.map((former) => (former.id === item.id ? item : former)) ?? null };
}

export function withoutItem<Item extends { readonly id: string }>(known: Known<Item>, id: string): Known<Item> {
  return { ...known, items: known.items?.filter((item) => item.id !== id) ?? null };
}

/** A page may come twice, and things move while somebody turns the pages: each is shown once, as told last. */
function joined<Item extends { readonly id: string }>(former: readonly Item[], more: readonly Item[]): Item[] {
  return [...new Map([...former, ...more].map((item) => [item.id, item])).values()];
}
