import { useEffect, useRef } from "react";

export interface Told {
  readonly kind: "done" | "refused";
  readonly sentence: string;
}

/** What became of the last thing that the user did on this page. */
export function Outcome({ told }: { told: Told | null }) {
  const region = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // The button that was pressed may be gone with what it did: go on from here, not from the top of the page.
    if (told !== null && document.activeElement === document.body) region.current?.focus();
  }, [told]);
  return (
    <div ref={region} tabIndex={-1} className="outcome">
      {/* Live regions must be there before their text is. */}
      <p role="status" className={told?.kind === "done" ? "banner banner--done" : undefined}>
        {told?.kind === "done" && told.sentence}
      </p>
      {told?.kind === "refused" && (
        <p role="alert" className="banner banner--refused">
          {told.sentence}
        </p>
      )}
    </div>
  );
}
