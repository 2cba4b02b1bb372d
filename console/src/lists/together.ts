import type { Listing } from "./usePages";

/** Two lists shown as one. */
export function together<Item>(first: Listing<Item>, second: Listing<Item>): Listing<Item> {
  const both = (act: (listing: Listing<Item>) => void) => {
    act(first);
    act(second);
  };
  return {
    items: first.items && second.items && [...first.items, ...second.items],
    trouble: first.trouble ?? second.trouble,
    hasMore: first.hasMore || second.hasMore,
    isBusy: first.isBusy || second.isBusy,
    more: () => both((listing) => listing.hasMore && listing.more()),
    retry: () => both((listing) => listing.trouble && listing.retry()),
    reload: () => both((listing) => listing.reload()),
    put: (item) => both((listing) => listing.put(item)),
    remove: (id) => both((listing) => listing.remove(id)),
  };
}
