import { useEffect, useState } from "react";
import type { Result, Trouble } from "../api/client";
import type { Page } from "../api/types";
import { useIsExpired } from "../session/useIsExpired";
import { afterPage, NOTHING_KNOWN, withItem, withoutItem, type Known } from "./listing";

export interface Listing<Item> {
  /** `null` while the first page is on its way. */
  readonly items: readonly Item[] | null;
  readonly trouble: Trouble | null;
  readonly hasMore: boolean;
  readonly isBusy: boolean;
  readonly more: () => void;
  /** Asks once more what could not be answered. */
  readonly retry: () => void;
  /** From the beginning; what is shown stays until the answer is there. */
  readonly reload: () => void;
  /** Shows the item in its new form, if it is in the list. */
  readonly put: (item: Item) => void;
  readonly remove: (id: string) => void;
}

interface Wish {
  readonly question: string;
  readonly cursor: string | null;
  readonly turn: number;
}

/** A list, page by page. `question` names what `ask` asks for: under another name it begins anew. */
export function usePages<Item extends { readonly id: string }>(
  question: string,
  ask: (cursor: string | null, signal: AbortSignal) => Promise<Result<Page<Item>>>,
): Listing<Item> {
  const isExpired = useIsExpired();
  const [wish, setWish] = useState<Wish>({ question, cursor: null, turn: 0 });
  const [stored, setStored] = useState<{ question: string; turn: number; known: Known<Item> } | null>(null);
  const cursor = wish.question === question ? wish.cursor : null;
  const known = stored?.question === question ? stored.known : NOTHING_KNOWN;
  const change = (next: (known: Known<Item>) => Known<Item>) =>
    setStored((former) => former && { ...former, known: next(former.known) });
  useEffect(() => {
    if (isExpired) return undefined;
    const controller = new AbortController();
    void ask(cursor, controller.signal).then((result) => {
      if (controller.signal.aborted) return;
      setStored((former) => {
        const before = former?.question === question ? former.known : NOTHING_KNOWN;
        return { question, turn: wish.turn, known: afterPage(before, cursor, result) };
      });
    });
    return () => controller.abort();
  }, [question, cursor, wish.turn, isExpired]);
  const turnTo = (next: string | null) => setWish({ question, cursor: next, turn: wish.turn + 1 });
  return {
    items: known.items,
    trouble: known.trouble,
    hasMore: known.nextCursor !== null,
    isBusy: stored?.question !== question || stored.turn !== wish.turn,
    more: () => turnTo(known.nextCursor),
    retry: () => turnTo(cursor),
    reload: () => turnTo(null),
    put: (item) => change((former) => withItem(former, item)),
    remove: (id) => change((former) => withoutItem(former, id)),
  };
}
