import type { ReactNode } from "react";
import type { Listing } from "../lists/usePages";
import { Card } from "./Card";
import { TroubleBanner } from "./TroubleBanner";

interface ListCardProps<Item> {
  readonly title: string;
  readonly className?: string;
  readonly listing: Listing<Item>;
  /** What of the list is shown here. */
  readonly items: readonly Item[];
  readonly row: (item: Item) => ReactNode;
  /** What to say when there is nothing, with the next step. */
  readonly empty: ReactNode;
  readonly head?: ReactNode;
}

export function ListCard<Item extends { readonly id: string }>(props: ListCardProps<Item>) {
  const { title, className = "", listing, items, row, empty, head } = props;
  const isEmpty = listing.items !== null && items.length === 0 && !listing.hasMore;
  return (
    <Card title={title} className={`list ${className}`}>
      {head}
      {listing.trouble && <TroubleBanner trouble={listing.trouble} onRetry={listing.retry} />}
      {listing.items === null && listing.trouble === null && <p className="card__note">Loading…</p>}
      {isEmpty && empty}
      {items.length > 0 && (
        <ul className="rows">
          {items.map((item) => (
            <li key={item.id} className="row">
              {row(item)}
            </li>
          ))}
        </ul>
      )}
      {listing.hasMore && <MoreButton isBusy={listing.isBusy} onMore={listing.more} />}
    </Card>
  );
}

function MoreButton({ isBusy, onMore }: { isBusy: boolean; onMore: () => void }) {
  return (
    <button type="button" className="button list__more" aria-disabled={isBusy} onClick={isBusy ? undefined : onMore}>
      {isBusy ? "Loading…" : "Show more"}
    </button>
  );
}
